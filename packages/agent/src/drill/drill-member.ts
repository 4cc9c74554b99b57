// What a drill boots: the member's program on another storage, under another name, without anything by which it could
// find or be found by the rest of its fleet. Pure.
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import type {
  CommandStep,
  ExecEngine,
  Image,
  MemberIntent,
  MemberSpec,
  Mount,
} from '@leafward/shared/gen/domain.js';
import { backupDirectoryOf } from '../backups/place.js';
import { isWithin } from '../checks/mounts.js';
import type { EngineMember } from '../engines/engine.js';

export interface DrillPlace {
  readonly id: string;
  /** Real path of the drill's own directory. */
  readonly root: string;
}

export const drillName = (id: string): string => `drill-${id}`;
export const storageIn = (root: string): string => join(root, 'data');
export const scratchIn = (root: string): string => join(root, 'away');
/** Stands in place of the backup directory, where a service wants one. */
export const backupsIn = (root: string): string => join(root, 'backups');

/** Variables that a cell would go and find its fleet with. */
const FINDS_FLEET = /^SYN_[A-Z0-9]+_(AHA_PROVISION|MIRROR)$/;
/** What a drill runs of a kind's commands. */
const NEEDED = [
  ...['restore', 'identity', 'role', 'position', 'ready', 'writable', 'version', 'stop'],
  ...['storedUpstream', 'setUpstream', 'clearUpstream', 'linked', 'upstream'],
];

/** `sockets`: mounts of the member that hold a socket. @throws LeafwardError `refused` where a kind cannot be kept apart. */
export function drillMember(
  intent: MemberIntent,
  { id, root }: DrillPlace,
  options: { readonly image: Image; readonly sockets: ReadonlySet<string> },
): EngineMember {
  const { service, spec } = intent;
  const exec = intent.exec === undefined ? undefined : apartExec(intent.exec, spec);
  if (exec === undefined && spec.kind === 'matrix-synapse')
    throw new LeafwardError(
      'refused',
      `drill a backup of ${intent.member}: the data of a ${spec.kind} lies in a database of its own, and this ` +
        'backup holds none of it; drill the backup of its database',
    );
  const storage = storageIn(root);
  return {
    member: drillName(id),
    service,
    exec,
    role: 'leader',
    spec: {
      ...spec,
      image: options.image,
      storage,
      storageTarget: spec.runtime === 'docker' ? spec.storageTarget : storage,
      backupDirectory: undefined,
      environment: withoutFleet(spec),
      mounts: mountsFor(spec, root, options.sockets),
      networkMode: 'none',
    },
  };
}

function withoutFleet({ environment }: MemberSpec): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !FINDS_FLEET.test(name)),
  );
}

/** Its settings to read; in place of its backups an empty directory; nothing through which anybody could be reached. */
function mountsFor(spec: MemberSpec, root: string, sockets: ReadonlySet<string>): readonly Mount[] {
  const backups = backupDirectoryOf(spec);
  return spec.mounts
    .filter(({ source }) => !sockets.has(source) && !isWithin(spec.storage, source))
    .filter(({ source }) => source === backups || !isWithin(source, spec.storage))
    .map((mount) =>
      mount.source === backups
        ? { ...mount, source: backupsIn(root) }
        : { ...mount, readOnly: true },
    );
}

/** A process's commands all run beside it; a container's that run on the host could meet the live one. */
function apartExec(exec: ExecEngine, { runtime, kind }: MemberSpec): ExecEngine {
  if (!Object.hasOwn(exec.commands, 'restore'))
    throw new LeafwardError(
      'refused',
      `drill a backup of the kind ${kind}: it has no command restore, so nobody knows how one is brought back`,
    );
  const moved = Object.entries(exec.commands).map(([name, command]) => {
    const steps = command.steps.map((step): CommandStep => ({ ...step, place: 'member' }));
    return [name, { ...command, steps }] as const;
  });
  if (runtime === 'process') return { ...exec, commands: Object.fromEntries(moved) };
  const sources = NEEDED.map((name) => exec.commands[name]?.of ?? name);
  const outside = [...new Set(sources)].filter((name) =>
    exec.commands[name]?.steps.some(({ place }) => place === 'host'),
  );
  if (outside.length === 0) return exec;
  throw new LeafwardError(
    'refused',
    `drill a backup of the kind ${kind}: its commands ${outside.join(', ')} run on the host, where they could ` +
      'meet the live one; let them run in the member (where: member)',
  );
}
