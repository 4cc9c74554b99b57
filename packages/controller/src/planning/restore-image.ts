// The image that a restore brings to all members with the data: the only way back from an update, since an older image
// never gets newer data (I5). Whether it fits the backup, where it has to be, and what that costs. Pure.
import type { Backup, Goal, Image } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import type { DraftMove, GateCheck } from './draft.js';
import { livingOf, versionOf, type MemberAt, type ServiceAt } from './gather.js';
import { pullMove } from './pull-move.js';
import { isOlder } from './versions.js';
import { evidence, imageName, listed, type Objection } from './words.js';

type RestoreGoal = Extract<Goal, { kind: 'restore' }>;

/** Empty while the members keep theirs. */
export function restoreImageGate(backup: Backup, goal: RestoreGoal): readonly GateCheck[] {
  const { image: reference, resolved } = goal;
  if (reference === undefined) return [];
  return [
    {
      name: 'image',
      passed: `${reference} is ${resolved?.version ?? 'of a version that is not known'}, the backup is of ${backup.version ?? 'one that is not known'}`,
      objections: objectToImage(backup, reference, resolved),
      evidence: [
        evidence(`version of ${reference}`, resolved?.version, {
          wanted: backup.version === undefined ? undefined : `≥ ${backup.version}`,
        }),
      ],
    },
  ];
}

function objectToImage(
  { name, version }: Backup,
  reference: string,
  image: Image | undefined,
): readonly Objection[] {
  if (image === undefined)
    return [
      {
        code: 'image-unknown',
        subject: reference,
        message: `what ${reference} means is not known: no host could resolve it`,
        unblock: 'connect a host of the service and plan again',
        evidence: [],
      },
    ];
  // Some programs start silently on data that are newer than they are, so what cannot be compared is not tried.
  if (version !== undefined && image.version === undefined)
    return [
      {
        code: 'image-unknown',
        subject: reference,
        message: `of which version ${reference} is is not known, so neither is whether it may have ${name}, which is of ${version} (I5)`,
        unblock: 'name it by a reference that says its version, as cortex:v2.180.0',
        evidence: [],
      },
    ];
  if (!isOlder(image.version, version)) return [];
  return [
    {
      code: 'downgrade',
      subject: reference,
      message: `${name} is of version ${version ?? ''}, ${reference} of ${image.version ?? ''}: an older image never gets newer data (I5)`,
      unblock: `take an image of ${version ?? ''} or newer, or an older backup`,
      evidence: [],
    },
  ];
}

/** To every host that can be ordered, before anything is stopped. Empty while the members keep theirs. */
export function restoreImagePull(
  snapshot: Snapshot,
  service: ServiceAt,
  members: readonly MemberAt[],
  { resolved }: RestoreGoal,
): readonly DraftMove[] {
  const hosts = members.map(({ host }) => host);
  return resolved === undefined ? [] : [pullMove(snapshot, service, hosts, resolved)];
}

export function restoreImageWarnings(
  service: ServiceAt,
  { resolved: image }: RestoreGoal,
): readonly string[] {
  if (image === undefined) return [];
  const back = livingOf(service)
    .filter((member) => isOlder(image.version, versionOf(member)))
    .map(({ name }) => name);
  return [
    `all members of ${service.name} have ${imageName(image)} from then on${back.length === 0 ? '' : `, and ${listed(back)} ${back.length === 1 ? 'goes' : 'go'} back to it with ${back.length === 1 ? 'its' : 'their'} data`}; to go forward again: leafward plan update`,
  ];
}
