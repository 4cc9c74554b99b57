// What each kind of request does, one function each. At most once is not known here (requests.ts); what must
// be on the disk before a service is touched is.
import { unreachable } from '@leafward/shared/assert.js';
import { engineMember } from '../engines/engine-member.js';
import type { Act, Result } from '../requests.js';
import { actOnCell } from './acts/act-on-cell.js';
import { backUp } from './acts/back-up.js';
import { checkCopies } from './acts/check-copies.js';
import { coldBackup } from './acts/cold-backup.js';
import { copyBackup } from './acts/copy-backup.js';
import { drillBackup } from './acts/drill-backup.js';
import { fetchBackup } from './acts/fetch-backup.js';
import { installHttps } from './acts/install-https.js';
import { listCopies } from './acts/list-copies.js';
import { lookAtContainer } from './acts/look-at-container.js';
import { migrateStorage } from './acts/migrate-storage.js';
import { optimizeStorage } from './acts/optimize-storage.js';
import { intentOf, type ActParts, type Kind, type Turn } from './acts/parts.js';
import { probeLeader } from './acts/probe-leader.js';
import { promote } from './acts/promote.js';
import { provisionService } from './acts/provision-service.js';
import { pruneBackups } from './acts/prune-backups.js';
import { pruneCopies } from './acts/prune-copies.js';
import { receiveBackup } from './acts/receive-backup.js';
import { restartMember } from './acts/restart-member.js';
import { restoreBackup } from './acts/restore-backup.js';
import { sendBackup } from './acts/send-backup.js';
import { stepDown } from './acts/step-down.js';
import { syncFromSource } from './acts/sync-from-source.js';
import { takeSnapshot } from './acts/take-snapshot.js';
import { takeProvision } from './acts/take-provision.js';
import { testEngine } from './acts/test-engine.js';
import { trimLog } from './acts/trim-log.js';
import { verifyBackup } from './acts/verify-backup.js';

export type { ActParts } from './acts/parts.js';

const RESOLVE_MS = 60_000;
const PULL_MS = 30 * 60_000; // some GB over a slow line
const BACKUP_MS = 12 * 60 * 60_000; // hashing is paced
/** Some TB; the engine knows better how long its own restore may take. */
const RESTORE_MS = 3 * 24 * 60 * 60_000;
/** Some TB over a slow line. */
const TRANSFER_MS = 3 * 24 * 60 * 60_000;
const PROBE_MS = 30_000;
/** A stop may take its whole grace. */
const RESTART_MS = 5 * 60_000;
const CHECK_MS = 60_000;
/** A backup is some hundred files; a file of some TB takes seconds to remove. */
const PRUNE_MS = 60 * 60_000;
/** To copy it, and to migrate, for which it gets more than its own timeout; a day is more than anybody waits. */
const DRILL_MS = 24 * 60 * 60_000;
/** Every command of a definition with its own deadline, one after the other. */
const TEST_MS = 5 * 60_000;
/** To freeze, which waits for the writes that are under way, and to resume. */
const SNAPSHOT_MARGIN_MS = 60_000;
/** What an engine's act may take beyond its own timeout. */
const MARGIN_MS = 15_000;

export function createAct(parts: ActParts): Act {
  return async (request, onProgress, stop) => {
    const within = (ms: number): Turn => ({
      parts,
      onProgress,
      signal: AbortSignal.any([stop, AbortSignal.timeout(ms)]),
    });
    switch (request.kind) {
      case 'resolve-image': {
        const runtime = parts.runtime(request.runtime);
        return { image: await runtime.resolve(request.reference, within(RESOLVE_MS).signal) };
      }
      case 'pull-image': {
        const runtime = parts.runtime(request.runtime);
        return { image: await runtime.pull(request.image, onProgress, within(PULL_MS).signal) };
      }
      case 'run-backup':
        return backUp(request, within(BACKUP_MS));
      case 'promote':
        return promote(request, within(request.timeoutMs + MARGIN_MS));
      case 'probe-history':
        return probeHistory(request, within(PROBE_MS));
      case 'tune-host':
        return tuneHost(request, within(CHECK_MS));
      case 'check-host':
        return { message: `${await parts.check(within(CHECK_MS).signal)} findings` };
      case 'step-down':
        return stepDown(request, within(request.timeoutMs + MARGIN_MS));
      case 'test-engine':
        return testEngine(request, within(TEST_MS));
      case 'probe-leader':
        return probeLeader(request, within(request.timeoutMs + MARGIN_MS));
      case 'look-at-container':
        return lookAtContainer(request, within(PROBE_MS));
      case 'trim-log':
        return trimLog(request, within(2 * request.timeoutMs + MARGIN_MS));
      case 'optimize-storage':
        return optimizeStorage(request, within(BACKUP_MS));
      case 'cold-backup':
        return coldBackup(request, within(BACKUP_MS));
      case 'take-snapshot':
        return takeSnapshot(request, within(request.timeoutMs + SNAPSHOT_MARGIN_MS));
      case 'act-on-cell':
        return actOnCell(request, within(CHECK_MS));
      case 'install-https':
        return installHttps(request, within(CHECK_MS));
      case 'provision-service':
        return provisionService(request, within(PROBE_MS));
      case 'take-provision':
        return takeProvision(request, within(PROBE_MS));
      case 'migrate-storage':
        return migrateStorage(request, within(request.timeoutMs + BACKUP_MS));
      case 'sync-from-source':
        return syncFromSource(request, within(request.timeoutMs + MARGIN_MS));
      case 'restart-member':
        return restartMember(request, within(RESTART_MS));
      default:
        return actOnBackup(request, within);
    }
  };
}

type OfBackups = Kind<
  | 'verify-backup'
  | 'drill-backup'
  | 'copy-backup'
  | 'fetch-backup'
  | 'check-copies'
  | 'list-copies'
  | 'send-backup'
  | 'receive-backup'
  | 'prune-backups'
  | 'prune-copies'
  | 'restore-backup'
>;

/** What is done with backups that are there. */
function actOnBackup(request: OfBackups, within: (ms: number) => Turn): Promise<Result> {
  switch (request.kind) {
    case 'verify-backup':
      return verifyBackup(request, within(BACKUP_MS));
    case 'drill-backup':
      return drillBackup(request, within(DRILL_MS));
    case 'copy-backup':
      return copyBackup(request, within(BACKUP_MS));
    case 'fetch-backup':
      return fetchBackup(request, within(BACKUP_MS));
    case 'check-copies':
      return checkCopies(request, within(BACKUP_MS));
    case 'list-copies':
      return listCopies(request, within(TEST_MS));
    case 'send-backup':
      return sendBackup(request, within(TRANSFER_MS));
    case 'receive-backup':
      return receiveBackup(request, within(TRANSFER_MS));
    case 'prune-backups':
      return pruneBackups(request, within(PRUNE_MS));
    case 'prune-copies':
      return pruneCopies(request, within(BACKUP_MS));
    case 'restore-backup':
      return restoreBackup(request, within(RESTORE_MS));
    default:
      return unreachable(request);
  }
}

async function probeHistory(
  request: Kind<'probe-history'>,
  { parts, signal }: Turn,
): Promise<Result> {
  const intent = intentOf(request, parts);
  const engine = parts.engineOf(intent);
  return { history: await engine.probeHistory(engineMember(intent), request.offset, signal) };
}

async function tuneHost(request: Kind<'tune-host'>, { parts, signal }: Turn): Promise<Result> {
  const { checks, dryRun, undo } = request;
  const { tuner } = parts;
  const options = { dryRun };
  const changes = await (undo ? tuner.undo(checks, options) : tuner.apply(checks, options));
  await parts.check(signal);
  return { changes };
}
