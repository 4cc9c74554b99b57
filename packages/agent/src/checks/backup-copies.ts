// Rule: what shall be copied off the host is copied, and no copy is known to be damaged.
import type { Check, CheckResult, ServiceCopies } from './check.js';

/** What passes by itself has passed by then. */
const LONG_MS = 24 * 60 * 60_000;
/** Nobody can wait these out. */
const FOR_AN_OPERATOR = ['unauthenticated', 'not-found', 'exhausted', 'invalid'];

export const backupCopies: Check = {
  id: 'backup-copies',
  why: 'Backups that lie on this host only are lost with it',
  source: 'backup.offsite of the manifest',
  fixable: false,
  run: async ({ offsite, now }) => (offsite?.services ?? []).map((service) => judge(service, now)),
};

function judge(
  { service, copies, waiting, damaged, failure, each }: ServiceCopies,
  now: number,
): CheckResult {
  const subject = service;
  const wanted = 'each backup of this host has a sound copy in its repository';
  const [problem] = damaged;
  if (problem !== undefined)
    return {
      subject,
      severity: 'critical',
      seen: `copies that count as damaged: ${damaged.length}; ${problem}`,
      wanted,
      fix: `look into the repository with restic check; then: leafward backup check-copies ${service}`,
    };
  if (failure === undefined) {
    const rest = waiting === 0 ? '' : `, backups without one${each ? ' yet' : ''}: ${waiting}`;
    return { subject, severity: 'ok', seen: `copies: ${copies}${rest}`, wanted, fix: '' };
  }
  const isBad = FOR_AN_OPERATOR.includes(failure.code) || now - failure.since >= LONG_MS;
  return {
    subject,
    severity: isBad ? 'critical' : 'warning',
    seen: `backups without a copy: ${waiting}; it fails since ${new Date(failure.since).toISOString()}: ${failure.error}`,
    wanted,
    fix: 'do what the error says; it is tried again by itself within an hour, at once with: leafward backup copy BACKUP',
  };
}
