// An act on backups that a host carries out: begun, watched, told. Ctrl-C ends the watching, not the act.
import { LeafwardError } from '@leafward/shared/errors.js';
import type {
  ActOnBackupRequest,
  ActOnBackupResponse,
  Outcome,
} from '@leafward/shared/gen/domain.js';
import type { Run } from '../run.js';

/** @throws LeafwardError `failed` or `refused` with what the host said. */
export async function actOnBackup(
  run: Run,
  request: ActOnBackupRequest,
): Promise<ActOnBackupResponse> {
  const client = await run.client();
  let requestId: string | undefined;
  let told = '';
  for (;;) {
    const answer = await client.actOnBackup({ ...request, requestId }, run.call);
    requestId = answer.requestId;
    const { state, progress = '' } = answer.outcome;
    if (state === 'succeeded') return answer;
    if (state !== 'running') throw failureOf(request, answer.outcome);
    if (progress !== told && progress !== '' && run.format === 'table') run.remark(progress);
    told = progress;
  }
}

/** Whoever refuses it, the controller or the host: nothing was changed. */
function failureOf(
  { kind, backup, service = '' }: ActOnBackupRequest,
  { state, code, message = state }: Outcome,
): LeafwardError {
  const isRefused = state === 'refused' || code === 'refused';
  const said = message.replace(/^\[[a-z-]+\] /, '');
  return new LeafwardError(
    isRefused ? 'refused' : 'failed',
    `${kind} ${backup === '' ? service : backup}: ${said}`,
  );
}
