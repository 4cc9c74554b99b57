// Runs the checks again and again and holds their last findings; gathers what they need to know. Reads only.
import { request } from 'node:http';
import type { Clock } from '@leafward/shared/clock.js';
import { messageOf } from '@leafward/shared/errors.js';
import type {
  Backup,
  CellCertificate,
  DeadmanFact,
  Finding,
  MemberIntent,
} from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import { startLoop } from '@leafward/shared/loop.js';
import { canonicalJson } from '@leafward/shared/spec-digest.js';
import type { CheckContext, DiskLatency, HostRoots, OffsiteFact } from './checks/check.js';
import { createCertificateReader, type CertificateFacts } from './checks/read-certificates.js';
import { runChecks } from './checks/run-checks.js';
import type { Runtimes } from './runtimes/registry.js';

export interface FindingsOptions {
  readonly roots: HostRoots;
  readonly clock: Clock;
  readonly log: Logger;
  readonly everyMs: number;
  readonly dockerSocket: string;
  readonly runtimes: Runtimes;
  readonly members: () => readonly MemberIntent[];
  readonly clockOffsetMs: () => number | undefined;
  readonly deadman: () => DeadmanFact | undefined;
  readonly latency: () => ReadonlyMap<string, DiskLatency>;
  readonly dataBytes: () => ReadonlyMap<string, number>;
  readonly goneBackups?: (() => readonly Backup[]) | undefined;
  readonly offsite?: ((signal: AbortSignal) => Promise<OffsiteFact | undefined>) | undefined;
  /** The findings are others than before. */
  readonly onChange: () => void;
}

export interface Findings {
  /** The same array until something changes but the times. */
  current(): readonly Finding[];
  /** As the newest findings judge them. */
  certificates(): readonly CellCertificate[];
  /** Runs all checks now; returns how many findings there are. */
  check(signal: AbortSignal): Promise<number>;
  wake(): void;
  stop(): Promise<void>;
}

const DOCKER_TIMEOUT_MS = 2000;
const CHECKS_DEADLINE_MS = 60_000;
/** Findings that did not change are told anew so often, so that their age says that somebody looked. */
const REFRESH_MS = 5 * 60_000;

export function startFindings(options: FindingsOptions): Findings {
  const { clock, log } = options;
  let findings: readonly Finding[] = [];
  let essence = '';
  let changedAt = clock.monotonic();
  const reader = createCertificateReader();
  let certificates: readonly CellCertificate[] = [];
  const check = async (signal: AbortSignal): Promise<number> => {
    const facts = await reader.read(options.members(), signal);
    const found = await runChecks(await contextOf(options, facts, signal), signal);
    certificates = facts.found;
    const now = canonicalJson(found.map((finding) => ({ ...finding, seenAt: 0 })));
    if (now !== essence || clock.monotonic() - changedAt > REFRESH_MS) {
      findings = found;
      essence = now;
      changedAt = clock.monotonic();
      options.onChange();
    }
    return found.length;
  };
  const loop = startLoop({
    name: 'checks',
    clock,
    log,
    everyMs: options.everyMs,
    deadlineMs: CHECKS_DEADLINE_MS,
    pass: async (signal) => {
      await check(signal);
      return undefined;
    },
  });
  return {
    current: () => findings,
    certificates: () => certificates,
    check,
    wake: () => loop.wake(),
    stop: () => loop.stop(),
  };
}

async function contextOf(
  options: FindingsOptions,
  certificates: CertificateFacts,
  signal: AbortSignal,
): Promise<CheckContext> {
  const members = options.members();
  return {
    roots: options.roots,
    members,
    now: options.clock.now(),
    clockOffsetMs: options.clockOffsetMs(),
    docker: await dockerOf(options, members, signal),
    deadman: options.deadman(),
    latency: options.latency(),
    dataBytes: options.dataBytes(),
    goneBackups: options.goneBackups?.(),
    offsite: await options.offsite?.(signal),
    certificates,
  };
}

/** A host without members in containers is not asked for Docker. */
async function dockerOf(
  options: FindingsOptions,
  members: readonly MemberIntent[],
  signal: AbortSignal,
): Promise<CheckContext['docker']> {
  const wanted = members.some(({ spec }) => spec.runtime === 'docker');
  if (!wanted) return { wanted, containers: [] };
  try {
    const version = await dockerVersion(options.dockerSocket);
    return { wanted, version, containers: await options.runtimes.of('docker').list(signal) };
  } catch (error) {
    return { wanted, error: messageOf(error), containers: [] };
  }
}

/** GET /version of the Docker Engine API. */
function dockerVersion(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path: '/version', timeout: DOCKER_TIMEOUT_MS }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > 65_536) answer.destroy(new Error('the answer is too long'));
      });
      answer.on('error', reject);
      answer.on('end', () => {
        const version = /"Version"\s*:\s*"([^"]+)"/.exec(text)?.[1];
        if (version === undefined) reject(new Error(`Docker Engine: answer ${answer.statusCode}`));
        else resolve(version);
      });
    });
    call.on('timeout', () => call.destroy(new Error('Docker Engine: no answer in 2 s')));
    call.on('error', reject);
    call.end();
  });
}
