// A goal and a move in one line each. Pure.
import { unreachable } from '@leafward/shared/assert.js';
import type { Goal, Image, Move } from '@leafward/shared/gen/domain.js';
import { formatBytes } from './units.js';

/** update cortex to registry:5000/synapse-cortex:v2.150.0 */
export function describeGoal(goal: Goal): string {
  switch (goal.kind) {
    case 'deploy':
      return 'deploy the manifest';
    case 'update':
      return `update ${goal.service} to ${describeImage(goal.resolved, goal.image)}`;
    case 'fleet-update':
      return `update ${servicesOf(goal)} to ${goal.tag}`;
    case 'promote':
      return `promote ${goal.to} to lead ${goal.service}`;
    case 'failover':
      return `fail ${goal.service} over${goal.to === undefined ? '' : ` to ${goal.to}`}${goal.automatic === undefined ? '' : `, by itself: ${goal.automatic}`}`;
    case 'backup':
      return `${backupWords(goal)}${goal.member === undefined ? '' : ` from ${goal.member}`}`;
    case 'reseed':
      return `reseed ${goal.member} of ${goal.service}`;
    case 'restore':
      return `restore ${goal.member === undefined ? '' : `${goal.member} of `}${goal.service} to backup ${goal.backup}${goal.image === undefined ? '' : ` with ${goal.image}`}`;
    case 'migrate':
      return `${goal.cutOver === true ? 'cut over' : 'migrate'} ${goal.service} from Synapse 0.1.x`;
    case 'optimize':
      return `optimize the databases of ${goal.service}`;
    case 'trim':
      return `trim the log of ${goal.service}`;
    default:
      return unreachable(goal);
  }
}

const backupWords = ({ service, cold, snapshot }: Extract<Goal, { kind: 'backup' }>): string =>
  snapshot === true
    ? `take a snapshot of ${service}`
    : `back ${service} up${cold === true ? ' while it is stopped' : ''}`;

function servicesOf({ services, updates }: Extract<Goal, { kind: 'fleet-update' }>): string {
  const names = updates.length === 0 ? services : updates.map(({ service }) => service);
  return names.length === 0 ? 'the fleet' : names.join(', ');
}

function describeImage(image: Image | undefined, written: string): string {
  if (image === undefined) return written;
  return image.version === undefined ? image.reference : `${image.version} (${image.reference})`;
}

/** recreate 03.cortex on bravo: 2.113.0 → 2.150.0 */
export function describeMove(move: Move): string {
  switch (move.kind) {
    case 'pull': {
      const size =
        move.image.sizeBytes === undefined ? '' : ` (${formatBytes(move.image.sizeBytes)})`;
      return `pull ${move.image.reference}${size} on ${move.hosts.join(', ')}`;
    }
    case 'place':
      return `place ${move.intent.member} on ${move.host} as ${placedAs(move.intent.role, move.intent.upstream?.member)}`;
    case 'recreate':
      return `recreate ${move.member} on ${move.host}${recreatedTo(move.fromVersion, move.spec.image)}`;
    case 'remove':
      return `remove ${move.member} from ${move.host}; its storage stays`;
    case 'hand-over':
      return `hand leadership over from ${move.from} to ${move.to}: term ${move.term}`;
    case 'fence':
      return `fence ${move.member} on ${move.host}: retired at term ${move.term}`;
    case 'choose':
      return `choose the most advanced of ${move.candidates.join(', ')}; ${move.expected} as it looks now`;
    case 'force-promote':
      return `promote the chosen mirror by force: term ${move.term}`;
    case 'repoint':
      return `re-point ${move.members.join(', ')} to the new leader`;
    case 'back-up':
      return `back up ${move.member} on ${move.host} as ${move.name}`;
    case 'halt':
      return `stop ${move.members.join(', ')}, in this order`;
    case 'reseed':
      return `reseed ${move.member} on ${move.host} from ${seedOf(move)}: what it has is ${move.reseed?.wipe === true ? 'deleted' : 'set aside'}`;
    case 'restore':
      return `restore backup ${move.backup} to ${move.member} on ${move.host}: term ${move.term}${move.image === undefined ? '' : `, all with ${describeImage(move.image, '')}`}`;
    case 'migrate':
      return `migrate ${move.migration.source} to ${move.member} on ${move.host}: term ${move.term}; what ${move.member} has is set aside`;
    case 'sync':
      return `bring ${move.member} on ${move.host} what its source got since, until it has caught up`;
    case 'trim':
      return `trim the log by ${move.member} on ${move.host}; it is read by ${move.mirrors.join(', ')}`;
    case 'optimize':
      return `optimize ${move.member} on ${move.host} ${move.way === 'swap' ? 'by cold copies of its databases' : 'while it starts'}`;
    case 'cold-back-up':
      return `stop ${move.member} on ${move.host} and back it up as ${move.name}`;
    case 'snapshot':
      return `${move.freeze ? 'freeze' : 'leave'} ${move.member} on ${move.host} ${move.freeze ? 'and run' : 'as it is and run'} ${move.command[0] ?? ''}`;
    case 'send':
      return `send ${move.backup} from ${move.fromHost} to ${move.toHost}`;
    case 'realias':
      return `have ${move.registry} name the leader under ${move.alias}.${move.network}`;
    default:
      return unreachable(move);
  }
}

const seedOf = ({ reseed, upstream }: Extract<Move, { kind: 'reseed' }>): string =>
  reseed?.backup === undefined ? upstream : `backup ${reseed.backup}`;

const placedAs = (role: string, upstream: string | undefined): string =>
  upstream === undefined ? role : `${role} of ${upstream}`;

function recreatedTo(from: string | undefined, image: Image): string {
  const to = image.version ?? image.reference;
  if (from === undefined) return ` with ${to}`;
  return from === to ? ` (still ${to})` : `: ${from} → ${to}`;
}
