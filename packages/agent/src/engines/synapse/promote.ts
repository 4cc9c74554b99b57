// Makes a mirror the leader, by hand-over or by force. Must never promote the mirror of a mirror gracefully.
import { setTimeout as delay } from 'node:timers/promises';
import { isAbort, LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { EngineMember } from '../engine.js';
import { OBSERVE_DEADLINE_MS, readCellInfo, upstreamOf, type CellInfo } from './observe.js';
import { parseAddress } from './telepath/address.js';
import { CellError } from './telepath/cell-error.js';
import { openLink, type Link } from './telepath/link.js';
import { isAtLeast, MIRROR_IN_INFO } from './version.js';

/** Longest of connect and hello, to a service that runs. */
const CONNECT_DEADLINE_MS = 5_000;
/** Between two looks whether it leads yet. */
const LOOK_EVERY_MS = 20;

export interface PromoteOptions {
  readonly graceful: boolean;
  readonly timeoutMs: number;
}

/** The link is this call's own: a promotion is cancelled when its caller's link dies. */
export async function promote(
  link: Link,
  member: EngineMember,
  options: PromoteOptions,
  signal: AbortSignal,
): Promise<void> {
  const giveUpAt = performance.now() + options.timeoutMs;
  const info = await cellInfo(link, signal);
  if (info.active === true) return;
  if (options.graceful) await requireLeaderUpstream(member, info, signal);
  const { graceful } = options;
  const left = (): number => Math.max(1, Math.round(giveUpAt - performance.now()));
  try {
    await link.call({ method: 'promote', kwargs: { graceful } }, left(), signal);
    while (await isPassive(link, signal)) {
      if (performance.now() > giveUpAt) {
        const text = `promote ${member.member}: accepted, but it does not lead after ${options.timeoutMs} ms`;
        throw new LeafwardError('timeout', `${text}; observe it before anything else`);
      }
      await delay(LOOK_EVERY_MS, undefined, { signal });
    }
  } catch (error) {
    throw outcomeUnknown(member, error);
  }
}

/** A refusal of the cell is known; a lost link or a deadline leaves open what happened. */
function outcomeUnknown(member: EngineMember, error: unknown): unknown {
  if (error instanceof CellError || isAbort(error)) return error;
  if (!(error instanceof LeafwardError)) return error;
  const code = error.code === 'timeout' ? 'timeout' : 'failed';
  const text = `promote ${member.member}: ${error.text}; it may or may not lead now: observe, do not repeat`;
  return new LeafwardError(code, text, { cause: error });
}

async function isPassive(link: Link, signal: AbortSignal): Promise<boolean> {
  return (await link.call({ method: 'isCellActive' }, OBSERVE_DEADLINE_MS, signal)) !== true;
}

async function cellInfo(link: Link, signal: AbortSignal): Promise<CellInfo> {
  return readCellInfo(await link.call({ method: 'getCellInfo' }, OBSERVE_DEADLINE_MS, signal));
}

/**
 * Before 2.185 the promotion of a mirror's mirror succeeds and makes two leaders (I1), so there the upstream
 * must be proven to lead: it is the alias of the leader, or it says so itself. Later ones refuse by themselves.
 */
async function requireLeaderUpstream(
  member: EngineMember,
  info: CellInfo,
  signal: AbortSignal,
): Promise<void> {
  const url = await upstreamOf(member, info.version, info.cell);
  const alias = member.spec.engineOptions['leaderAlias'];
  if (url !== undefined && alias !== undefined && bare(url) === bare(alias)) return;
  const answer = url === undefined ? 'it has no upstream' : await askUpstream(url, info, signal);
  if (answer === 'leads') return;
  if (answer === undefined && isAtLeast(info.version, MIRROR_IN_INFO) === true) return;
  const why =
    answer ??
    `whether ${url} leads cannot be seen from here, and ${info.version} does not check it`;
  throw new LeafwardError(
    'refused',
    `promote ${member.member} gracefully: ${why}; point it at the leader first, or name the leader's alias`,
  );
}

/** 'leads', a reason why not, or undefined when it cannot be asked. */
async function askUpstream(
  url: string,
  info: CellInfo,
  signal: AbortSignal,
): Promise<string | undefined> {
  const address = parseAddress(url);
  if (address === undefined) return undefined;
  let upstream: Link | undefined;
  try {
    upstream = await openLink({ address, deadlineMs: CONNECT_DEADLINE_MS }, signal);
    const seen = await cellInfo(upstream, signal);
    if (seen.iden !== info.iden) return `its upstream ${url} is another service`;
    return seen.active === true ? 'leads' : `its upstream ${url} is a mirror itself`;
  } catch (error) {
    if (isAbort(error)) throw error;
    if (error instanceof CellError) return undefined;
    return `its upstream does not answer (${messageOf(error)})`;
  } finally {
    upstream?.close();
  }
}

/** The URL without its user: the alias is written with `root@` and without. */
function bare(url: string): string {
  return url.replace(/^([a-z+]+:\/\/)[^@/]*@/i, '$1').replace(/\/$/, '');
}
