// Has a running cell read its HTTPS certificate again, where its version can. Changes no file.
import { isAbort, messageOf } from '@leafward/shared/errors.js';
import { openLink } from '../telepath/link.js';
import { socketOf } from '../telepath/address.js';
import { listOf, mapOf, stringOf } from '../telepath/value.js';
import { isAtLeast } from '../version.js';

/** The release whose cells read `https:certs` again on demand (changelog of Synapse, SYN-5886). */
const RELOADS = 145;
const SYSTEM = 'https:certs';
const CONNECT_MS = 3_000;
const CALL_MS = 10_000;

/** Undefined: it has them now. Else why it reads them at its next start only. */
export async function reloadHttps(
  storage: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  let link;
  try {
    link = await openLink({ address: socketOf(storage), deadlineMs: CONNECT_MS }, signal);
    if (isAtLeast(link.version, RELOADS) !== true)
      return `version ${link.version ?? 'unknown'} reads its certificate only when it starts; from 2.${RELOADS}.0 on it does so on demand`;
    const systems = listOf(await link.call({ method: 'getReloadableSystems' }, CALL_MS, signal));
    if (!systems.includes(SYSTEM)) return 'it has no HTTPS listener of its own now (https:port)';
    const answer = await link.call({ method: 'reload', args: [SYSTEM] }, CALL_MS, signal);
    const [ok, problem] = listOf(mapOf(answer)[SYSTEM]);
    if (ok === true) return undefined;
    const [name, info] = listOf(problem);
    return `it could not read them: ${stringOf(name) ?? 'no reason given'} ${stringOf(mapOf(info)['mesg']) ?? ''}`.trim();
  } catch (error) {
    if (isAbort(error)) throw error;
    return `it does not answer now: ${messageOf(error)}`;
  } finally {
    link?.close();
  }
}
