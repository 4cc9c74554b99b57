// Renews an identity at a third of its life left, for ever, without a restart; one that has expired renews with
// its own old key. Must never give up, and never ask more often than its backoff allows.
import { backoffMs } from '../backoff.js';
import type { Clock } from '../clock.js';
import { LeafwardError, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { renewedIdentity, renewExpiredClient } from './enroll-client.js';
import type { IdentityKeeper } from './identity-keeper.js';
import type { Identity } from './identity.js';
import { createKey } from './keys.js';

/** Asks the controller over mTLS, on a new connection, for a certificate for this request. */
export type RenewOnline = (
  csrPem: string,
  signal: AbortSignal,
) => Promise<{ readonly certificatePem: string; readonly caPem: string }>;

const CHECK_EVERY_MS = 600_000; // a host that slept or whose clock jumped is noticed within this
const RETRY = { minMs: 1000, maxMs: 3_600_000 }; // a month's certificate leaves 10 days for it
const REFUSED_RETRY_MS = 3_600_000; // no new try will help a revoked one; an admin may
const JITTER = 0.1; // of the third that is left: hosts enrolled together do not renew together

/** The moment from which an identity should be renewed: a third of its life left. */
export function renewAt(certificate: Identity): number {
  return certificate.expiresAt - (certificate.expiresAt - certificate.issuedAt) / 3;
}

/** Renews now, by the way that its certificate still allows. The new one is on disk when it returns. */
export async function renewNow(
  keeper: IdentityKeeper,
  renewOnline: RenewOnline,
  now: number,
  signal: AbortSignal,
): Promise<void> {
  const old = keeper.current();
  if (keeper.certificate().expiresAt <= now) {
    await keeper.replace(await renewExpiredClient(old, now, signal));
    return;
  }
  const keyPem = await createKey();
  // Once in weeks: what encodes it need not be in memory all the time.
  const { createCsr } = await import('./csr.js');
  const answer = await renewOnline(createCsr(keyPem, old.name), signal);
  await keeper.replace(renewedIdentity(old, keyPem, answer));
}

export interface RenewalOptions {
  readonly keeper: IdentityKeeper;
  readonly renewOnline: RenewOnline;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random?: () => number;
}

export interface Renewal {
  stop(): Promise<void>;
}

export function startRenewal(options: RenewalOptions): Renewal {
  const stopped = new AbortController();
  const done = renewForever(options, stopped.signal);
  return {
    stop: async () => {
      stopped.abort();
      await done;
    },
  };
}

async function renewForever(options: RenewalOptions, signal: AbortSignal): Promise<void> {
  const { keeper, clock, log, random = Math.random } = options;
  let failures = 0;
  let draw = random(); // one for each certificate: drawn at every look, the earliest would always win
  while (!signal.aborted) {
    const waitMs = untilDue(keeper.certificate(), clock.now(), draw);
    if (waitMs > 0 && failures === 0) {
      await pause(clock, Math.min(waitMs, CHECK_EVERY_MS), signal);
      continue;
    }
    try {
      await renewNow(keeper, options.renewOnline, clock.now(), signal);
      failures = 0;
      draw = random();
      const until = new Date(keeper.certificate().expiresAt).toISOString();
      log.info(`certificate renewed, valid until ${until}`);
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      const retryMs = retryAfter(error, failures, keeper.certificate(), clock.now(), random());
      log.warn(
        `certificate not renewed, next try in ${Math.ceil(retryMs / 1000)} s: ${messageOf(error)}`,
      );
      await pause(clock, retryMs, signal);
    }
  }
}

/** Milliseconds; zero or less when it is due. The draw moves it within the first tenth of the last third. */
function untilDue(certificate: Identity, now: number, draw: number): number {
  const third = (certificate.expiresAt - certificate.issuedAt) / 3;
  return renewAt(certificate) + draw * JITTER * third - now;
}

function retryAfter(
  error: unknown,
  failures: number,
  certificate: Identity,
  now: number,
  random: number,
): number {
  const isRefused =
    error instanceof LeafwardError && (error.code === 'denied' || error.code === 'refused');
  if (isRefused) return REFUSED_RETRY_MS;
  // While it lives, at least ten tries fit into what is left of it.
  const leftMs = certificate.expiresAt - now;
  const maxMs = leftMs > 0 ? Math.max(RETRY.minMs, Math.min(RETRY.maxMs, leftMs / 10)) : 60_000;
  return backoffMs(failures, { minMs: RETRY.minMs, maxMs }, random);
}

async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  try {
    await clock.sleep(ms, signal);
  } catch {
    // stopped: the loop looks at the signal
  }
}
