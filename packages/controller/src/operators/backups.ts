// What an operator has done with backups beside plans: they are read again where they lie. Touches no service.
import { assert } from '@leafward/shared/assert.js';
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type {
  ActOnBackupRequest,
  ActOnBackupResponse,
  Backup,
  Outcome,
  VerifyBackupRequest,
  VerifyBackupResponse,
} from '@leafward/shared/gen/domain.js';
import type { Fleet } from '../fleet.js';
import { beginAsking, outcomeWithin, resolveImages, type HostQuestion } from '../images.js';
import type { Snapshot } from '../snapshot.js';
import { orderFor } from './backup-acts.js';
import { beginSending, outcomeOfSending } from './send-backup.js';

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
  const { requestId, outcome } = await ask(fleet, clock, {
    requestId: request.requestId,
    host: backup.host,
    what: `verify ${backup.name} on host ${backup.host}`,
    act: { kind: 'verify-backup', path: backup.path, bytesPerSecond },
  });
  return { requestId, backup: outcome.backup ?? backup, outcome };
}

/** Begins an act on a backup, or on all of a service's, and waits on for one that was begun. @throws as above */
export async function actOnBackup(
  fleet: Fleet,
  clock: Clock,
  request: ActOnBackupRequest,
): Promise<ActOnBackupResponse> {
  const snapshot = fleet.snapshot();
  const backup = request.backup === '' ? undefined : meantBackup(snapshot, request);
  if (request.kind === 'send') {
    if (backup === undefined)
      throw new LeafwardError('invalid', 'send: it is not said which backup is meant');
    const id = request.requestId ?? (await beginSending(fleet, { ...request, backup }));
    const outcome = await outcomeOfSending(fleet, clock, { id, timeoutMs: WAIT_MS });
    return { requestId: id, backup: outcome.backup ?? backup, outcome };
  }
  const order = await orderFor(
    snapshot,
    { act: request, backup, service: request.service },
    async (need) => {
      const images = await resolveImages(fleet, clock, [need]);
      const image = images[need.reference];
      assert(image !== undefined, `${need.reference} was resolved`);
      return image;
    },
  );
  const asked = await ask(fleet, clock, { requestId: request.requestId, ...order });
  return { ...asked, backup: asked.outcome.backup ?? backup };
}

interface Asking extends Pick<HostQuestion, 'host' | 'what' | 'act' | 'about'> {
  /** Of one that was begun. */
  readonly requestId: string | undefined;
}

async function ask(
  fleet: Fleet,
  clock: Clock,
  { requestId: begun, ...question }: Asking,
): Promise<{ readonly requestId: string; readonly outcome: Outcome }> {
  const requestId = begun ?? (await beginAsking(fleet, { ...question, timeoutMs: BEGIN_MS }));
  const known = fleet.snapshot().requests[requestId];
  if (known?.request.kind !== question.act.kind)
    throw new LeafwardError('not-found', `${question.what}: ${requestId} is not under way`);
  const outcome = await outcomeWithin(fleet, clock, { id: requestId, timeoutMs: WAIT_MS });
  return {
    requestId,
    outcome: outcome ?? { requestId, state: 'running', startedAt: known.createdAt, changes: [] },
  };
}

/** A copy may be of one that no host has any more; then its service is said. */
function meantBackup(snapshot: Snapshot, request: ActOnBackupRequest): Backup | undefined {
  const { kind, backup: name, service } = request;
  const isGone = !snapshot.backups.some((one) => one.name === name && one.service === service);
  return kind === 'fetch' && service !== undefined && isGone
    ? undefined
    : backupOf(snapshot, request);
}

type Named = Pick<VerifyBackupRequest, 'backup' | 'service' | 'atHost'>;

function backupOf(snapshot: Snapshot, { backup: name, service, atHost }: Named): Backup {
  const named = snapshot.backups.filter((one) => one.name === name);
  const meant = named.filter((one) => service === undefined || one.service === service);
  const found = meant.filter((one) => atHost === undefined || one.host === atHost);
  const [first] = found;
  if (first === undefined)
    throw new LeafwardError(
      'not-found',
      meant.length === 0
        ? `there is no backup ${name}${service === undefined ? '' : ` of ${service}`}; see: leafward backup list`
        : `there is no backup ${name} on ${atHost ?? ''}; it lies on ${meant.map(({ host }) => host).join(', ')}`,
    );
  const services = [...new Set(found.map((one) => one.service))].sort();
  // One backup on several hosts: it was sent or fetched there.
  if (services.length === 1) return found.find((one) => isAtHome(snapshot, one)) ?? first;
  throw new LeafwardError(
    'invalid',
    `${found.length} backups are called ${name} (${services.join(', ')}): say --service with the one that is meant`,
  );
}

const isAtHome = ({ hosts }: Snapshot, { host, member }: Backup): boolean =>
  hosts[host]?.intent?.members.some((one) => one.member === member) === true;
