// The process runtime against the obligations of every runtime, with real processes.
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { specDigestOf } from '@leafward/shared/spec-digest.js';
import { openProcessRuntime } from '@leafward/agent/runtimes/process/process-runtime.js';
import { allPids, readStat } from '@leafward/agent/runtimes/process/proc.js';
import { MEMBER_SCRIPT, runtimeObligations, type RuntimeSubject } from './runtime.js';

async function makeSubject(): Promise<RuntimeSubject> {
  const directory = await mkdtemp(join(tmpdir(), 'leafward-process-'));
  const stateDirectory = join(directory, 'state');
  const reference = join(directory, 'member-1.2.3.sh');
  await writeFile(reference, MEMBER_SCRIPT);
  await chmod(reference, 0o755);
  await mkdir(stateDirectory);
  const runtime = await openProcessRuntime({ stateDirectory });
  const signal = new AbortController().signal;
  const image = await runtime.resolve(reference, signal);
  const storageOf = (member: string): string => join(directory, 'storage', member);
  const pidOf = async (member: string): Promise<number> => {
    const run = await readFile(join(stateDirectory, 'members', member, 'run.json'), 'utf8');
    return (JSON.parse(run) as { pid: number }).pid;
  };
  return {
    runtime,
    reference,
    unknownReference: join(directory, 'nothing-9.9.9.sh'),
    container(member, behaviour, value = member) {
      const storage = storageOf(member);
      const spec = {
        kind: 'exec',
        runtime: 'process' as const,
        image,
        command: ['{image}'],
        environment: { VALUE: value, BEHAVIOUR: behaviour, STORAGE: storage },
        mounts: [],
        storage,
        storageTarget: storage,
        networkMode: 'host',
        limits: {},
        ports: {},
        stopGraceMs: 5000,
        engineOptions: {},
      };
      return { member, service: 'subject', spec, specDigest: specDigestOf(spec) };
    },
    async runs(member) {
      const text = await readFile(join(storageOf(member), 'runs'), 'utf8').catch(() => '');
      return text.split('\n').length - 1;
    },
    reopen: () => openProcessRuntime({ stateDirectory }),
    async kill(member) {
      const wrapper = await pidOf(member);
      for (const pid of allPids()) {
        const stat = readStat(pid);
        if (stat?.session === wrapper && pid !== wrapper) process.kill(pid, 'SIGKILL');
      }
    },
    async close() {
      for (const { member } of await runtime.list(signal))
        if (member !== undefined) await runtime.stop(member, 0, signal);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

runtimeObligations('process', makeSubject);
