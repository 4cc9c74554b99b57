// A host made of files in a temporary directory, and members on it, for the tests of the checks.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Check, CheckContext, CheckResult, HostRoots } from '@leafward/agent/checks/check.js';
import type { MemberIntent, MemberSpec } from '@leafward/shared/gen/domain.js';

export const GIB = 2 ** 30;

export interface FakeHost {
  /** Its root directory: /proc is <root>/proc. */
  readonly root: string;
  readonly roots: HostRoots;
  write(path: string, text: string): void;
  path(path: string): string;
  remove(): void;
}

/** A host with the kernel's default sysctls and this much RAM. */
export function makeHost(ramBytes = 16 * GIB): FakeHost {
  const root = mkdtempSync(join(tmpdir(), 'leafward-host-'));
  const path = (name: string): string => join(root, name);
  const write = (name: string, text: string): void => {
    mkdirSync(dirname(path(name)), { recursive: true });
    writeFileSync(path(name), text);
  };
  const defaults = {
    swappiness: '60',
    dirty_expire_centisecs: '3000',
    dirty_writeback_centisecs: '500',
    dirty_background_ratio: '10',
    dirty_background_bytes: '0',
    dirty_ratio: '20',
    dirty_bytes: '0',
  };
  for (const [key, value] of Object.entries(defaults)) write(`proc/sys/vm/${key}`, `${value}\n`);
  write('proc/meminfo', `MemTotal: ${ramBytes / 1024} kB\nMemAvailable: 1024 kB\n`);
  write('proc/self/mountinfo', '27 1 254:1 / / rw - ext4 /dev/vda1 rw\n');
  mkdirSync(path('etc'));
  mkdirSync(path('sys'));
  const roots = { proc: path('proc'), sys: path('sys'), etc: path('etc') };
  return { root, roots, write, path, remove: () => rmSync(root, { recursive: true }) };
}

export type MemberChanges = Partial<Omit<MemberIntent, 'spec'>> & {
  readonly spec?: Partial<MemberSpec>;
};

export function makeMember(changes: MemberChanges = {}): MemberIntent {
  return {
    member: '00.cortex',
    service: 'cortex',
    run: 'running',
    role: 'leader',
    term: 1,
    mirrored: true,
    boot: 'wait',
    isolation: { onIsolation: 'keep', leaseMs: 15_000 },
    ...changes,
    spec: {
      kind: 'synapse',
      runtime: 'docker',
      image: { reference: 'cortex:v2.150.0', digest: 'sha256:00', version: '2.150.0' },
      command: [],
      environment: {},
      mounts: [],
      storage: '/srv/syn/00.cortex/storage',
      storageTarget: '/vertex/storage',
      networkMode: 'host',
      limits: {},
      ports: {},
      stopGraceMs: 10_000,
      engineOptions: {},
      ...changes.spec,
    },
  };
}

export function makeContext(host: FakeHost, changes: Partial<CheckContext> = {}): CheckContext {
  return {
    roots: host.roots,
    members: [],
    now: 1_700_000_000_000,
    clockOffsetMs: 0,
    docker: { wanted: false, containers: [] },
    latency: new Map(),
    dataBytes: new Map(),
    ...changes,
  };
}

export async function runCheck(
  check: Check,
  host: FakeHost,
  changes: Partial<CheckContext> = {},
): Promise<readonly CheckResult[]> {
  return await check.run(makeContext(host, changes), new AbortController().signal);
}

/** "severity subject" of each result. */
export function verdicts(results: readonly CheckResult[]): readonly string[] {
  return results.map(({ severity, subject }) => `${severity} ${subject}`);
}

/** Severities alone, joined: most tests look at one or two results. */
export function severities(results: readonly CheckResult[]): string {
  return results.map(({ severity }) => severity).join(' ');
}
