// Rule: nobody but its service and root gets at the backups of a service: they hold its private keys. Reads modes,
// changes nothing.
import { join } from 'node:path';
import { messageOf } from '@leafward/shared/errors.js';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { openPlaceOf, type OpenPlace } from '../backups/access.js';
import type { Check, CheckResult } from './check.js';
import { backupDirectoryOf } from './free-space.js';
import { createSingleFlight } from './single-flight.js';

const DEADLINE_MS = 2000;
const flight = createSingleFlight();

export const backupAccess: Check = {
  id: 'backup-access',
  why: 'A backup holds the private keys of its service; who can write where it lies can put another in its place, which a restore would start',
  source: 'docs/security.md, Backups',
  fixable: false,
  run: async ({ members }, signal) => {
    const directories = new Set(await Promise.all(members.filter(isKept).map(directoryOf)));
    return await Promise.all([...directories].map((directory) => judgeSafely(directory, signal)));
  },
};

const isKept = ({ run }: MemberIntent): boolean => run !== 'removed';

async function directoryOf(member: MemberIntent): Promise<string> {
  return (await backupDirectoryOf(member)) ?? join(member.spec.storage, 'backups');
}

async function judgeSafely(directory: string, signal: AbortSignal): Promise<CheckResult> {
  const look = { deadlineMs: DEADLINE_MS, signal };
  try {
    return judge(
      directory,
      await flight(`modes of ${directory}`, () => openPlaceOf(directory), look),
    );
  } catch (error) {
    const fix = `look at ${directory}`;
    return { subject: directory, severity: 'unknown', seen: messageOf(error), wanted: CLOSED, fix };
  }
}

const CLOSED = 'nobody but its owner and its group reads or writes there';

function judge(directory: string, place: OpenPlace | undefined): CheckResult {
  if (place === undefined)
    return {
      subject: directory,
      severity: 'ok',
      seen: 'closed to others',
      wanted: CLOSED,
      fix: '',
    };
  const { what, path, mode, fix } = place;
  return {
    subject: directory,
    severity: what === 'writable' ? 'critical' : 'warning',
    seen: `every user of this host can ${what === 'writable' ? 'write into' : 'read'} ${path} (mode ${mode.toString(8).padStart(4, '0')})`,
    wanted: CLOSED,
    fix,
  };
}
