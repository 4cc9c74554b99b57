// Trims a leader's log. Must never do so without naming every mirror that the leader itself knows: one that was not named
// ends and never comes back (I8).
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { EngineMember } from '../../engine.js';
import type { TrimOptions } from '../../care.js';
import { readCellInfo } from '../observe.js';
import { isBackingUp } from '../backup.js';
import { CellError } from '../telepath/cell-error.js';
import type { Link } from '../telepath/link.js';
import { listOf, numberOf, stringOf } from '../telepath/value.js';

/** AHA is asked for the mirrors by the leader. */
const ASK_MS = 15_000;
/** To open each reader and to cut, beside the wait for the slowest. */
const MARGIN_MS = 15_000;
/** By a leader that knows no AHA, and so nobody's name. */
const NO_AHA = ['BadConfValu'];

export async function trim(
  link: Link,
  { member }: EngineMember,
  { consumers, timeoutMs }: TrimOptions,
  signal: AbortSignal,
): Promise<string> {
  const refuse = (why: string): never => {
    throw new LeafwardError('refused', `trim the log of ${member}: ${why}; nothing was cut (I8)`);
  };
  if (consumers.length === 0 || consumers.includes('')) refuse('not every reader is named');
  const info = readCellInfo(await link.call({ method: 'getCellInfo' }, ASK_MS, signal));
  if (info.active !== true) refuse('it does not lead');
  if (await isBackingUp(link, signal)) refuse('a backup of it runs (I10)');
  const known = await mirrorsKnownTo(link, signal);
  const missing = known?.filter((url) => !hasUrl(consumers, url)) ?? [];
  const strange = known === undefined ? [] : consumers.filter((url) => !hasUrl(known, url));
  if (missing.length > 0) refuse(`it knows ${missing.join(', ')} as well, which nobody named`);
  if (strange.length > 0) refuse(`it does not know ${strange.join(', ')}`);
  const named = [...(known ?? consumers)];
  const call = {
    method: 'trimNexsLog',
    kwargs: { consumers: named, timeout: Math.ceil(timeoutMs / 1000) },
  };
  const cut = numberOf(await link.call(call, timeoutMs + MARGIN_MS, signal).catch(told(member)));
  return `cut its log${cut === undefined ? '' : ` up to offset ${cut}`}; ${named.length} readers have all of it`;
}

/** Undefined: it runs without AHA and knows nobody by name. @throws LeafwardError when it could not be told. */
async function mirrorsKnownTo(
  link: Link,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  try {
    const urls = listOf(await link.call({ method: 'getMirrorUrls' }, ASK_MS, signal));
    return urls.flatMap((url) => stringOf(url) ?? []);
  } catch (error) {
    if (error instanceof CellError && NO_AHA.includes(error.errname)) return undefined;
    throw error;
  }
}

const hasUrl = (urls: readonly string[], url: string): boolean =>
  urls.some((one) => bare(one) === bare(url));

/** Without its user and what follows the name: `aha://root@01.cortex.net/` is `aha://01.cortex.net`. */
const bare = (url: string): string =>
  url.replace(/^([a-z+]+:\/\/)[^@/]*@/i, '$1').replace(/\/+$/, '');

function told(member: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof LeafwardError) || error instanceof CellError) throw error;
    throw new LeafwardError(
      error.code,
      `trim the log of ${member}: ${messageOf(error)}; whether it was cut is not known, its readers have what is cut`,
      { cause: error },
    );
  };
}
