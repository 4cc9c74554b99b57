// Runs the checks side by side, each with a deadline, and makes findings of what they say.
import { setMaxListeners } from 'node:events';
import { messageOf } from '@leafward/shared/errors.js';
import type { Finding } from '@leafward/shared/gen/domain.js';
import type { Check, CheckContext, CheckResult } from './check.js';
import { allChecks } from './registry.js';
import { within } from './single-flight.js';

/** Longer than any deadline inside a check, so that the check itself can say what it waited for. */
const DEADLINE_MS = 5000;
/** A check that has more to say than this says the same thing over and over. */
const MAX_RESULTS = 64;
const MAX_LISTENERS = 1024;

/**
 * Findings in the order of the checks. Never throws: a check that throws or does not come back in
 * time is a finding of severity unknown, with the reason.
 */
export async function runChecks(
  context: CheckContext,
  signal: AbortSignal,
  options: { readonly checks?: readonly Check[]; readonly deadlineMs?: number } = {},
): Promise<readonly Finding[]> {
  const deadlineMs = options.deadlineMs ?? DEADLINE_MS;
  const checks = options.checks ?? allChecks;
  // Each check listens to it, and each of its calls: that is no leak.
  setMaxListeners(MAX_LISTENERS, signal);
  const findings = await Promise.all(
    checks.map(async (check) => {
      const results = await runCheck(check, context, { deadlineMs, signal });
      return results.slice(0, MAX_RESULTS).map((result) => toFinding(check, result, context.now));
    }),
  );
  return findings.flat();
}

async function runCheck(
  check: Check,
  context: CheckContext,
  options: { readonly deadlineMs: number; readonly signal: AbortSignal },
): Promise<readonly CheckResult[]> {
  const limit = new AbortController();
  const signal = AbortSignal.any([options.signal, limit.signal]);
  setMaxListeners(MAX_LISTENERS, signal);
  try {
    const work = Promise.resolve().then(() => check.run(context, signal));
    return await within(work, { what: `check ${check.id}`, ...options });
  } catch (error) {
    return [
      {
        subject: check.id,
        severity: 'unknown',
        seen: messageOf(error),
        wanted: 'an answer',
        fix: 'see the agent’s log on this host',
      },
    ];
  } finally {
    limit.abort();
  }
}

function toFinding(check: Check, result: CheckResult, now: number): Finding {
  return {
    ...result,
    check: check.id,
    why: check.why,
    source: check.source,
    fixable: check.fixable,
    seenAt: now,
  };
}
