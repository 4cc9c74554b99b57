// What a command's agent leaves behind when it is killed: the next one ends it, and nothing else. Real processes.
import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { markedProcesses, ownOwner, storageInMark } from '@leafward/agent/runtimes/command-mark.js';
import { openProcessRuntime } from '@leafward/agent/runtimes/process/process-runtime.js';
import { eventually } from '../conformance/runtime.js';

const child = import.meta.resolve('@leafward/agent/runtimes/process/child.js');
const clock = import.meta.resolve('@leafward/shared/clock.js');

/** An agent of which nothing is there but a command that writes for ever, partly from a session of its own. */
const program = (storage: string): string => `
import { runChild } from ${JSON.stringify(child)};
import { systemClock } from ${JSON.stringify(clock)};
const beat = 'while :; do echo beat >> beats; sleep 0.05; done';
await runChild(
  {
    argv: ['sh', '-c', \`setsid sh -c "\${beat}" & \${beat}\`],
    deadlineMs: 60000, maxOutputBytes: 1000, environment: { PATH: process.env.PATH },
    directory: ${JSON.stringify(storage)}, storage: ${JSON.stringify(storage)}, clock: systemClock,
  },
  new AbortController().signal,
);
`;

describe('the command of an agent that was killed', function () {
  this.timeout(60_000);
  let directory: string;
  let storage: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lw-orphan-'));
    storage = join(directory, 'storage');
    await mkdir(storage);
    await mkdir(join(directory, 'state'));
    await writeFile(join(directory, 'agent.mjs'), program(storage));
    await chmod(directory, 0o755);
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const beats = async (): Promise<number> =>
    (await readFile(join(storage, 'beats'), 'utf8').catch(() => '')).length;
  const running = (): Promise<readonly unknown[]> =>
    markedProcesses((mark) => storageInMark(mark) === storage);

  it('runs on while that agent lives, and is ended by the next one', async () => {
    const agent = spawn(process.execPath, [join(directory, 'agent.mjs')], { stdio: 'inherit' });
    const ended = once(agent, 'exit');
    await eventually(beats, (count) => count > 0, 'it writes');
    const open = (): Promise<unknown> =>
      openProcessRuntime({ stateDirectory: join(directory, 'state') });
    await open();
    expect((await running()).length, 'while its agent lives').to.be.greaterThan(1);
    agent.kill('SIGKILL');
    await ended;
    const before = await beats();
    await eventually(beats, (count) => count > before, 'it writes on without its agent');
    await open();
    expect(await running()).to.deep.equal([]);
    const last = await beats();
    await delay(200);
    expect(await beats()).to.equal(last);
  });

  it('is told from commands of this agent by its owner', async () => {
    expect(await ownOwner()).to.equal(await ownOwner());
    expect((await ownOwner()).split('/')[1]).to.equal(String(process.pid));
  });
});
