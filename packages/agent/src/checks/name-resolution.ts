// Rule: every host name that a member was given resolves on this host, as its own resolver sees it.
import { lookup as systemLookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { Check, CheckContext, CheckResult } from './check.js';
import { hostsOf } from './service-urls.js';
import { createSingleFlight } from './single-flight.js';

/** glibc asks each server for 5 s: who waits that long for a name waits at every connect. */
const DEADLINE_MS = 3000;
/** Distinct names in one run; a fleet's services share a handful. */
const MAX_NAMES = 32;

/** Address of a name, by getaddrinfo: the files, DNS and search domains that services see too. */
export type Lookup = (host: string) => Promise<{ readonly address: string }>;

export const nameResolution: Check = createNameResolution((host) => systemLookup(host));

export function createNameResolution(lookup: Lookup): Check {
  // One name at a time: a resolver that hangs takes one thread of libuv's pool, not all.
  const flight = createSingleFlight();
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = (host: string): Promise<{ readonly address: string }> => {
    const turn = last.then(() => lookup(host));
    last = turn.catch(() => undefined);
    return turn;
  };
  return {
    id: 'name-resolution',
    why: 'Other services need to resolve AHA by name, and a mirror its upstream (deployment guide, “Deploy AHA Service”)',
    source: 'deployment guide, Deploy AHA Service; getaddrinfo(3)',
    fixable: false,
    run: async (context, signal) =>
      await Promise.all(
        (await namesIn(context)).map(async ({ host, from }) => {
          try {
            const { address } = await flight(host, () => inTurn(host), {
              deadlineMs: DEADLINE_MS,
              signal,
            });
            return toResult(host, from, { severity: 'ok', seen: `${host} is ${address}` });
          } catch (error) {
            return toResult(host, from, describeFailure(host, error));
          }
        }),
      ),
  };
}

async function namesIn({
  members,
}: CheckContext): Promise<readonly { host: string; from: string }[]> {
  const names = new Map<string, string>();
  for (const member of members) {
    if (member.run === 'removed' || member.run === 'retired') continue;
    for (const { host, from } of await hostsOf(member))
      if (isIP(host) === 0 && !names.has(host)) names.set(host, `${from} of ${member.member}`);
  }
  return [...names].slice(0, MAX_NAMES).map(([host, from]) => ({ host, from }));
}

function describeFailure(host: string, error: unknown): Pick<CheckResult, 'severity' | 'seen'> {
  if (error instanceof LeafwardError && error.code === 'timeout')
    return {
      severity: 'critical',
      seen: `${host}: no answer of the resolver within ${DEADLINE_MS} ms`,
    };
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOTFOUND' || code === 'EAI_NONAME')
    return { severity: 'critical', seen: `${host} does not resolve` };
  return { severity: 'unknown', seen: `${host}: ${code ?? messageOf(error)}` };
}

function toResult(
  host: string,
  from: string,
  { severity, seen }: Pick<CheckResult, 'severity' | 'seen'>,
): CheckResult {
  return {
    subject: host,
    severity,
    seen: `${seen} (${from})`,
    wanted: 'resolves to an address',
    fix:
      severity === 'ok'
        ? ''
        : `make an A/AAAA record or a line in /etc/hosts; try: getent ahosts ${host}`,
  };
}
