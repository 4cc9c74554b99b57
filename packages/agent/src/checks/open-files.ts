// Rule: members may open enough files. Reads limits from the manifest and from /proc/<pid>/limits.
import { join } from 'node:path';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { Check, CheckContext, CheckResult, HostRoots } from './check.js';
import { readText } from './kernel-files.js';
import { listProcesses } from './processes.js';

/**
 * A cell holds two descriptors for each of its databases (a Cortex has several for every layer) and
 * one for each client and mirror. 1,024, the historical default, runs out; 16 times that leaves
 * room.
 */
const WANTED = 16_384;
const CRITICAL = 4096;

export const openFiles: Check = {
  id: 'open-files',
  why: 'A service that runs out of descriptors refuses clients and mirrors and may fail in the middle of a backup (devops guide, “Performance Tuning”: as for other databases)',
  source: 'getrlimit(2), RLIMIT_NOFILE; devops guide, Performance Tuning',
  fixable: false,
  run: async (context) =>
    context.members.filter(({ run }) => run === 'running').map((member) => judge(member, context)),
};

function judge(member: MemberIntent, { roots }: CheckContext): CheckResult {
  const { limits, runtime } = member.spec;
  const inherited = runtime === 'docker' ? readEngineLimit(roots) : readLimit(roots, 'self');
  const limit = limits.openFiles ?? inherited?.limit;
  const from =
    limits.openFiles !== undefined
      ? 'from the manifest'
      : `inherited from ${inherited?.from ?? ''}`;
  const subject = member.member;
  const wanted = `≥ ${WANTED} open files`;
  if (limit === undefined) {
    const seen = 'cannot read the limit that it inherits';
    return { subject, severity: 'unknown', seen, wanted, fix: `limits: {openFiles: ${WANTED}}` };
  }
  const severity = limit >= WANTED ? 'ok' : limit >= CRITICAL ? 'warning' : 'critical';
  return {
    subject,
    severity,
    seen: `${limit === Infinity ? 'no limit' : limit} open files, ${from}`,
    wanted,
    fix:
      severity === 'ok'
        ? ''
        : `limits: {openFiles: ${WANTED}} in the manifest, or LimitNOFILE of ${runtime === 'docker' ? 'containerd and docker' : 'leafward-agent'}.service`,
  };
}

interface Inherited {
  readonly limit: number;
  readonly from: string;
}

/** Containers inherit from containerd, which may have been started by dockerd. */
function readEngineLimit(roots: HostRoots): Inherited | undefined {
  const processes = listProcesses(roots);
  const engine =
    processes.find(({ program }) => program === 'containerd') ??
    processes.find(({ program }) => program === 'dockerd');
  return engine === undefined ? undefined : readLimit(roots, String(engine.pid), engine.program);
}

/** The hard limit: a runtime may raise the soft one up to it, and Node does at its start. */
function readLimit(roots: HostRoots, pid: string, from = 'the agent'): Inherited | undefined {
  const text = readText(join(roots.proc, pid, 'limits')) ?? '';
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(text)?.[1];
  if (hard === undefined) return undefined;
  return { limit: hard === 'unlimited' ? Infinity : Number(hard), from };
}
