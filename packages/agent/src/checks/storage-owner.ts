// Rule: a storage directory belongs to the user that the member runs as. Reads its owner, changes
// nothing.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { messageOf } from '@leafward/shared/errors.js';
import type { Check, CheckContext, CheckResult, HostRoots } from './check.js';
import { readText } from './kernel-files.js';
import { createSingleFlight } from './single-flight.js';

const DEADLINE_MS = 2000;
const flight = createSingleFlight();

export const storageOwner: Check = {
  id: 'storage-owner',
  why: 'A service that cannot write its storage does not start; containers run as a user that is not root (deployment guide, “Preparing Hosts”; devops guide, “Containers with Custom Users”)',
  source: 'deployment guide, Preparing Hosts and chown; devops guide, Containers with Custom Users',
  fixable: false,
  run: async ({ members, roots }: CheckContext, signal) =>
    await Promise.all(
      members
        .filter(({ run }) => run !== 'removed')
        .map((member) => judgeSafely(member, roots, signal)),
    ),
};

async function judgeSafely(
  member: MemberIntent,
  roots: HostRoots,
  signal: AbortSignal,
): Promise<CheckResult> {
  const { storage } = member.spec;
  try {
    const owner = await flight(`stat ${storage}`, () => stat(storage), {
      deadlineMs: DEADLINE_MS,
      signal,
    });
    return judge(member, roots, owner.uid);
  } catch (error) {
    const absent = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return {
      subject: member.member,
      severity: absent ? 'info' : 'unknown',
      seen: absent ? `${storage} is not there yet` : messageOf(error),
      wanted: 'a directory of the member’s user',
      fix: absent ? 'none: it is made at the first start' : `look at ${storage}`,
    };
  }
}

function judge(member: MemberIntent, roots: HostRoots, ownerUid: number): CheckResult {
  const { user, storage, runtime } = member.spec;
  const subject = member.member;
  const seen = `${storage} belongs to uid ${ownerUid}`;
  const wantedUid = user === undefined ? defaultUid(runtime) : uidOf(roots, user);
  if (wantedUid === undefined && user === undefined) {
    const rooted = `${seen}; the member runs as its image’s own user, which is root unless the image says otherwise`;
    const fix = 'give the member a user (user: "999") and chown its storage';
    return { subject, severity: 'info', seen: rooted, wanted: 'a user that is not root', fix };
  }
  if (wantedUid === undefined) {
    const wanted = `a user that /etc/passwd knows, or a number`;
    const fix = `useradd -r ${user ?? ''}, or give the number`;
    return {
      subject,
      severity: 'unknown',
      seen: `no uid known for user ${user ?? ''}`,
      wanted,
      fix,
    };
  }
  // Root writes everywhere, so whose directory it is does not matter to it.
  const fits = wantedUid === ownerUid || wantedUid === 0;
  return {
    subject,
    severity: fits ? 'ok' : 'critical',
    seen,
    wanted: `uid ${wantedUid}${user === undefined ? ' (the agent’s own)' : ''}`,
    fix: fits ? '' : `chown -R ${wantedUid} ${storage}`,
  };
}

/** A process without a user runs as the agent does; a container as its image says. */
function defaultUid(runtime: MemberIntent['spec']['runtime']): number | undefined {
  return runtime === 'process' ? process.getuid?.() : undefined;
}

/** "999", "999:999" and "synuser" are what a container's user may be. */
function uidOf(roots: HostRoots, user: string): number | undefined {
  const name = user.split(':')[0] ?? '';
  if (/^\d+$/.test(name)) return Number(name);
  const passwd = readText(join(roots.etc, 'passwd')) ?? '';
  const fields = passwd.split('\n').map((line) => line.split(':'));
  const uid = fields.find(([login]) => login === name)?.[2];
  return uid === undefined ? undefined : Number(uid);
}
