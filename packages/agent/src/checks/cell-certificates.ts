// Rule: a cell's own certificates do not end unseen. Judges what was read of them, changes nothing.
import type { CellCertificate } from '@leafward/shared/gen/domain.js';
import type { Check, CheckContext, CheckResult } from './check.js';

const DAY_MS = 24 * 3_600_000;
/** Time enough to have one signed, and the last call. */
const WARNING_DAYS = 30;
const CRITICAL_DAYS = 7;

export const cellCertificates: Check = {
  id: 'cell-certificates',
  why: 'A cell whose certificate has ended is not believed by anybody: not by its mirrors, its clients, or AHA',
  source: 'general devops guide, Cell HTTPS Server and Telepath TLS/SSL Deployments',
  fixable: false,
  run: async ({ certificates, now }: CheckContext) => {
    const { found = [], unreadable = [] } = certificates ?? {};
    const members = [...new Set(found.map(({ member }) => member))];
    return [
      ...unreadable.map(({ member, problem }): CheckResult => ({
        subject: member,
        severity: 'unknown',
        seen: problem,
        wanted: 'certificates that can be read',
        fix: 'look at the file; a cell that cannot read it does not start',
      })),
      ...members.flatMap((member) => judge(member, ofMember(found, member), now)),
    ];
  },
};

const ofMember = (found: readonly CellCertificate[], member: string): readonly CellCertificate[] =>
  found
    .filter((one) => one.member === member)
    .sort((a, b) => a.expiresAt - b.expiresAt || (a.file < b.file ? -1 : 1));

/** One for each that ends soon; or one for all that do not. */
function judge(
  member: string,
  certificates: readonly CellCertificate[],
  now: number,
): readonly CheckResult[] {
  const soon = certificates.filter(({ expiresAt }) => expiresAt - now < WARNING_DAYS * DAY_MS);
  if (soon.length > 0) return soon.map((one) => result(one, now));
  const [first] = certificates;
  if (first === undefined) return [];
  const seen = `${certificates.length} certificates, the first to end is ${first.file} on ${dayOf(first)}`;
  return [{ subject: member, severity: 'ok', seen, wanted: WANTED, fix: '' }];
}

const WANTED = `more than ${WARNING_DAYS} days left`;

function result(one: CellCertificate, now: number): CheckResult {
  const days = Math.floor((one.expiresAt - now) / DAY_MS);
  const seen =
    days < 0
      ? `${one.file} (${one.subject}) has ended on ${dayOf(one)}`
      : `${one.file} (${one.subject}) ends on ${dayOf(one)}, in ${days} days`;
  return {
    subject: `${one.member} ${one.file}`,
    severity: days < CRITICAL_DAYS ? 'critical' : 'warning',
    seen,
    wanted: WANTED,
    fix: fixOf(one),
  };
}

const dayOf = ({ expiresAt }: CellCertificate): string =>
  new Date(expiresAt).toISOString().slice(0, 10);

function fixOf({ member, file }: CellCertificate): string {
  if (file === 'sslcert.pem')
    return `leafward synapse https-cert ${member} --cert chain.pem --key key.pem`;
  if (file.startsWith('certs/cas/'))
    return 'a new authority of the network: every member and user gets a new certificate from AHA; plan it long before';
  return 'let AHA provision the member anew: a mirror by `leafward plan reseed`, a leader after it was handed over';
}
