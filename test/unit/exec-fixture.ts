// A member of a kind that is described with commands, on the process runtime: each command is a few words of shell in
// the member's storage.
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecCommand, ExecEngine, MemberSpec } from '@leafward/shared/gen/domain.js';
import { createLogger } from '@leafward/shared/log.js';
import { specDigestOf } from '@leafward/shared/spec-digest.js';
import { createExecEngine } from '@leafward/agent/engines/exec/engine.js';
import type { Engine, EngineMember } from '@leafward/agent/engines/engine.js';
import { openProcessRuntime } from '@leafward/agent/runtimes/process/process-runtime.js';
import type { Runtime } from '@leafward/agent/runtimes/runtime.js';

export const SECRET = 'hunter2-hunter2';

export interface ExecFixture {
  readonly engine: Engine;
  readonly runtime: Runtime;
  readonly storage: string;
  readonly directory: string;
  /** Its program ends on SIGTERM and does nothing else. */
  member(exec: Partial<ExecEngine>, change?: Partial<MemberSpec>): EngineMember;
  start(member: EngineMember): Promise<void>;
  close(): Promise<void>;
}

export const signal: AbortSignal = new AbortController().signal;

/** A command of one step that is a shell's script; `change` may give anything else. */
export function shell(script: string, change: Partial<ExecCommand> = {}): ExecCommand {
  return { steps: [step(script)], format: 'plain', ...change };
}

export function step(
  script: string,
  change: Partial<ExecCommand['steps'][number]> = {},
): ExecCommand['steps'][number] {
  const run = ['sh', '-c', script];
  return { run, place: 'member', deadlineMs: 5_000, maxOutputBytes: 65_536, ...change };
}

/** Reads the answer of another command. */
export function of(source: string, change: Partial<ExecCommand> = {}): ExecCommand {
  return { steps: [], of: source, format: 'plain', ...change };
}

export async function makeExecFixture(): Promise<ExecFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'lw-exec-'));
  const storage = join(directory, 'storage');
  const stateDirectory = join(directory, 'state');
  const program = join(directory, 'program-1.0.0.sh');
  await mkdir(storage);
  await mkdir(stateDirectory);
  await writeFile(program, "#!/bin/sh\ntrap 'exit 0' TERM\nwhile :; do sleep 0.05; done\n");
  await chmod(program, 0o755);
  const runtime = await openProcessRuntime({ stateDirectory });
  const image = await runtime.pull(await runtime.resolve(program, signal), () => undefined, signal);
  const engine = createExecEngine({
    runtimeOf: () => runtime,
    containerOf: ({ member, service, spec }) => {
      const environment = { ...spec.environment, PASSWORD: SECRET };
      return { member, service, spec: { ...spec, environment }, specDigest: specDigestOf(spec) };
    },
    redact: (text) => text.replaceAll(SECRET, '[hidden]'),
    log: createLogger('exec-test', 'silent'),
  });
  return {
    engine,
    runtime,
    storage,
    directory,
    member: (exec, change = {}) => ({
      member: '00.db',
      service: 'db',
      exec: { commands: {}, positions: 'number', ...exec },
      spec: {
        kind: 'base',
        runtime: 'process',
        image,
        command: ['{image}'],
        environment: { STORAGE: storage },
        mounts: [],
        storage,
        storageTarget: storage,
        networkMode: 'host',
        limits: {},
        ports: { sql: 5432 },
        stopGraceMs: 5_000,
        engineOptions: {},
        ...change,
      },
    }),
    start: async ({ member, service, spec }) => {
      await runtime.create({ member, service, spec, specDigest: specDigestOf(spec) }, signal);
      await runtime.start(member, signal);
    },
    close: async () => {
      await runtime.stop('00.db', 0, signal);
      await rm(directory, { recursive: true, force: true });
    },
  };
}
