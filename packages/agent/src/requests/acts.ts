// What each kind of request does, one function each. At most once is not known here (requests.ts); what must
// be on the disk before a service is touched is.
import { unreachable } from '@leafward/shared/assert.js';
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { MemberIntent, Request, Runtime as RuntimeName } from '@leafward/shared/gen/domain.js';
import type { Catalogue } from '../backups/catalogue.js';
import type { Tuner } from '../checks/check.js';
import type { Engine } from '../engines/engine.js';
import { engineMember } from '../execute.js';
import type { Journal } from '../journal.js';
import { readMarker, realPathOf } from '../marker.js';
import type { Act, Result } from '../requests.js';
import type { Runtime } from '../runtimes/runtime.js';

export interface ActParts {
  readonly host: string;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly catalogue: Catalogue;
  readonly tuner: Tuner;
  readonly runtime: (name: RuntimeName) => Runtime;
  readonly engineOf: (intent: MemberIntent) => Engine;
  /** Runs the checks and has their findings ready for the next report. */
  readonly check: (signal: AbortSignal) => Promise<number>;
}

type Kind<K extends Request['kind']> = Extract<Request, { kind: K }>;

const RESOLVE_MS = 60_000;
const PULL_MS = 30 * 60_000; // some GB over a slow line
const BACKUP_MS = 12 * 60 * 60_000; // hashing is paced
const PROBE_MS = 30_000;
const CHECK_MS = 60_000;
/** What a promotion may take beyond the engine's own timeout. */
const PROMOTE_MARGIN_MS = 15_000;

export function createAct(parts: ActParts): Act {
  return async (request, onProgress, stop) => {
    const limit = (ms: number): AbortSignal => AbortSignal.any([stop, AbortSignal.timeout(ms)]);
    switch (request.kind) {
      case 'resolve-image': {
        const runtime = parts.runtime(request.runtime);
        return { image: await runtime.resolve(request.reference, limit(RESOLVE_MS)) };
      }
      case 'pull-image': {
        const runtime = parts.runtime(request.runtime);
        return { image: await runtime.pull(request.image, onProgress, limit(PULL_MS)) };
      }
      case 'run-backup':
        return backUp(request, parts, onProgress, limit(BACKUP_MS));
      case 'promote':
        return promote(request, parts, limit(request.timeoutMs + PROMOTE_MARGIN_MS));
      case 'probe-history': {
        const intent = intentOf(request, parts);
        const engine = parts.engineOf(intent);
        const { offset } = request;
        const signal = limit(PROBE_MS);
        return { history: await engine.probeHistory(engineMember(intent), offset, signal) };
      }
      case 'tune-host': {
        const { checks, dryRun, undo } = request;
        const { tuner } = parts;
        const options = { dryRun };
        const changes = await (undo ? tuner.undo(checks, options) : tuner.apply(checks, options));
        await parts.check(limit(CHECK_MS));
        return { changes };
      }
      case 'check-host':
        return { message: `${await parts.check(limit(CHECK_MS))} findings` };
      case 'step-down':
      case 'restore-backup':
      case 'test-engine':
        throw new LeafwardError('invalid', `${request.kind}: this agent cannot do it`);
      default:
        return unreachable(request);
    }
  };
}

function intentOf(request: Request, parts: ActParts): MemberIntent {
  const intent = parts.journal.state.intent?.members.find((one) => one.member === request.member);
  if (intent === undefined)
    throw new LeafwardError('refused', `${request.kind}: ${request.member} is not of this host`);
  return intent;
}

async function backUp(
  request: Kind<'run-backup'>,
  parts: ActParts,
  onProgress: (text: string) => void,
  signal: AbortSignal,
): Promise<Result> {
  const intent = intentOf(request, parts);
  const member = engineMember(intent);
  const engine = parts.engineOf(intent);
  const startedAt = parts.clock.now();
  onProgress('reckoning the room that it needs');
  const room = await engine.backupRoom(member, signal);
  if (room.freeBytes < room.needBytes)
    throw new LeafwardError(
      'exhausted',
      `back up ${request.member}: it needs ${megabytes(room.needBytes)} and ` +
        `${megabytes(room.freeBytes)} are free (${room.rule}); free some space or give it another ` +
        'backup directory (I7)',
      { retry: 'later' },
    );
  const fact = await engine.observe(member, signal);
  const made = await engine.backup(member, { name: request.name, onProgress }, signal);
  const backup = await parts.catalogue.add(
    {
      name: request.name,
      service: intent.service,
      member: intent.member,
      host: parts.host,
      path: made.path,
      position: made.position ?? fact.position,
      version: fact.version,
      iden: fact.iden,
      term: intent.term,
      startedAt,
    },
    onProgress,
    signal,
  );
  return { backup, position: backup.position };
}

/** The journal first: from then on this member may lead in that term, whatever becomes of the agent (I1). */
async function promote(
  request: Kind<'promote'>,
  parts: ActParts,
  signal: AbortSignal,
): Promise<Result> {
  const intent = intentOf(request, parts);
  await refuseRetired(intent, parts);
  const { member, term, graceful, timeoutMs } = request;
  await parts.journal.append({ kind: 'promotion-begun', member, term });
  const engine = parts.engineOf(intent);
  await engine.promote(engineMember(intent), { graceful, timeoutMs }, signal);
  const fact = await engine.observe(engineMember(intent), signal);
  return { position: fact.position };
}

async function refuseRetired(intent: MemberIntent, parts: ActParts): Promise<void> {
  const { storage } = intent.spec;
  const marker = await readMarker(storage);
  // Not being able to read it is no proof that it is not retired.
  if (marker.kind === 'unreadable')
    throw new LeafwardError('refused', `promote ${intent.member}: ${marker.error} (I2)`);
  const said = marker.kind === 'found' && marker.marker.retired !== undefined;
  const { retirements } = parts.journal.state;
  const known = [storage, await realPathOf(storage)].some((path) => path in retirements);
  if (said || known || intent.run !== 'running')
    throw new LeafwardError(
      'refused',
      `promote ${intent.member}: ${said || known ? 'its storage is retired (I2)' : `it shall be ${intent.run}`}`,
    );
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
