// Rule: restic is there and new enough, on hosts whose backups go off the host.
import { isAtLeast } from '../offsite/restic-output.js';
import { LEAST_RESTIC } from '../offsite/least-restic.js';
import type { Check } from './check.js';

export const restic: Check = {
  id: 'restic',
  why: 'Backups that lie on this host only are lost with it; copies off the host are made by restic',
  source: 'backup.offsite of the manifest',
  fixable: false,
  run: async ({ offsite }) => {
    if (offsite === undefined) return [];
    const { version, error } = offsite.restic;
    const isGood = version !== undefined && isAtLeast(version, LEAST_RESTIC);
    return [
      {
        subject: 'restic',
        severity: isGood ? 'ok' : 'critical',
        seen: version === undefined ? (error ?? 'not known') : `restic ${version}`,
        wanted: `restic ${LEAST_RESTIC} or newer`,
        fix: isGood
          ? ''
          : 'apt-get install restic (or the package of this distribution, or restic.net)',
      },
    ];
  },
};
