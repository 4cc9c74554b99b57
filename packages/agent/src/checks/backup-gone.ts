// Rule: a backup leaves by retention only (I13). What was recorded and is not there any more is told until somebody has
// looked at it.
import type { Backup } from '@leafward/shared/gen/domain.js';
import type { Check, CheckResult } from './check.js';

export const backupGone: Check = {
  id: 'backup-gone',
  why: 'A backup that nobody knows to be gone is missed when it is needed',
  source: 'invariant I13',
  fixable: false,
  run: async ({ goneBackups }) => (goneBackups ?? []).map(judge),
};

function judge({ service, name, path, finishedAt }: Backup): CheckResult {
  return {
    subject: `${service}/${name}`,
    severity: 'warning',
    seen: `${path}, complete since ${new Date(finishedAt).toISOString()}, is gone, and not by the rules of keep`,
    wanted: 'a backup is where it was recorded until retention takes it',
    fix: `mount its volume or bring it back; if it may be gone: rm -f ${path}.leafward-backup.json ${path}.leafward-manifest, and take another one`,
  };
}
