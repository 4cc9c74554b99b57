// What an operator has done with backups beside plans: they are read again where they lie. Touches no service.
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type {
  Backup,
  VerifyBackupRequest,
  VerifyBackupResponse,
} from '@leafward/shared/gen/domain.js';
import type { Fleet } from '../fleet.js';
import { beginAsking, outcomeWithin } from '../images.js';
import type { Snapshot } from '../snapshot.js';

/** A call is over long before its deadline; whoever asked asks on. */
const WAIT_MS = 2000;
/** A host that does not begin within this time has other sorrows. */
const BEGIN_MS = 60_000;

/** @throws LeafwardError `not-found`, `invalid`, `unavailable` */
export async function verifyBackup(
  fleet: Fleet,
  clock: Clock,
  request: VerifyBackupRequest,
): Promise<VerifyBackupResponse> {
  const backup = backupOf(fleet.snapshot(), request);
  const { bytesPerSecond } = request;
  const requestId =
    request.requestId ??
    (await beginAsking(fleet, {
      host: backup.host,
      what: `verify ${backup.name} on host ${backup.host}`,
      timeoutMs: BEGIN_MS,
      act: { kind: 'verify-backup', path: backup.path, bytesPerSecond },
    }));
  const known = fleet.snapshot().requests[requestId];
  if (known?.request.kind !== 'verify-backup')
    throw new LeafwardError('not-found', `verify ${backup.name}: ${requestId} is not under way`);
  const outcome = await outcomeWithin(fleet, clock, { id: requestId, timeoutMs: WAIT_MS });
  return {
    requestId,
    backup: outcome?.backup ?? backup,
    outcome: outcome ?? { requestId, state: 'running', startedAt: known.createdAt, changes: [] },
  };
}

function backupOf(snapshot: Snapshot, { backup: name, service }: VerifyBackupRequest): Backup {
  const named = snapshot.backups.filter((one) => one.name === name);
  const found = named.filter((one) => service === undefined || one.service === service);
  const [only, ...more] = found;
  if (only === undefined)
    throw new LeafwardError(
      'not-found',
      `there is no backup ${name}${service === undefined ? '' : ` of ${service}`}; see: leafward backup list`,
    );
  if (more.length === 0) return only;
  const services = [...new Set(found.map((one) => one.service))].sort().join(', ');
  throw new LeafwardError(
    'invalid',
    `${found.length} backups are called ${name} (${services}): say --service with the one that is meant`,
  );
}
