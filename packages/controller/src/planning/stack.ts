// A main process and its workers: who they are, in which order they go and come. Pure. Workers hold no copy, so none
// of the rules of a tree of mirrors is about them; theirs is that all run one version, or not at all.
import type { Image } from '@leafward/shared/gen/domain.js';
import { livingOf, type MemberAt, type ServiceAt } from './gather.js';
import { isSame } from './versions.js';
import { evidence, imageName, listed, type Objection } from './words.js';

export const isStack = ({ declaration }: Pick<ServiceAt, 'declaration'>): boolean =>
  declaration.shape === 'stack';

/** In the manifest's order; those that it names no more first, since they are on their way out. */
export function workersOf(service: ServiceAt): readonly MemberAt[] {
  const order = service.declaration.members.map((declared) => declared.name);
  return livingOf(service)
    .filter((member) => !member.isLeader)
    .sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
}

/** The main process migrates the data at its start, so no worker of before may run then; workers come after it. */
export function objectToStackOrder(
  service: ServiceAt,
  member: MemberAt,
  image: Image,
): readonly Objection[] {
  if (!member.isLeader) return objectToWorkerStart(service, member.name, image);
  if (member.intent?.spec.image.digest === image.digest) return [];
  const running = workersOf(service).filter(
    ({ fact, isFresh }) => !isFresh || fact?.container.state === 'running',
  );
  if (running.length === 0) return [];
  return [
    {
      code: 'workers-run',
      subject: member.name,
      message: `${listed(running.map((worker) => worker.name))} ${running.length === 1 ? 'is' : 'are'} not seen stopped: no worker may run while ${member.name} starts with ${imageName(image)}`,
      unblock: `plan again: the whole of ${service.name} is stopped first`,
      evidence: running.map((worker) =>
        evidence(`container of ${worker.name}`, worker.fact?.container.state, {
          wanted: 'exited',
          seenAt: worker.receivedAt,
        }),
      ),
    },
  ];
}

/** A worker runs behind a main process that answers, with the very image of it, or not at all. */
export function objectToWorkerStart(
  { leader, name }: ServiceAt,
  worker: string,
  image: Image,
): readonly Objection[] {
  if (leader === undefined) return [];
  const { fact, intent, isFresh } = leader;
  const version = fact?.engine.version ?? intent?.spec.image.version;
  const isOther = intent?.spec.image.digest !== image.digest && !isSame(version, image.version);
  const isUp = isFresh && fact?.container.state === 'running' && fact.engine.answered;
  if (!isOther && isUp) return [];
  return [
    {
      code: isOther ? 'main-differs' : 'main-down',
      subject: worker,
      message: isOther
        ? `${worker} would start with ${imageName(image)}, and ${leader.name}, the main process, has ${version ?? intent?.spec.image.reference ?? 'another'}: a worker of another version breaks logins and sends`
        : `${worker} would start, and ${leader.name}, the main process, does not answer`,
      unblock: isOther
        ? `update the whole of it: leafward plan update ${name} --image REFERENCE`
        : `get ${leader.name} up first; look at it with: leafward why ${leader.name}`,
      evidence: [
        evidence(`version of ${leader.name}`, version, {
          wanted: image.version,
          seenAt: leader.receivedAt,
        }),
      ],
    },
  ];
}
