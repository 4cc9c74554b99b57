// What an agent that was killed leaves of a command for a stopped member: nothing starts beside it, and the next agent's
// first look removes it.
import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../conformance/runtime.js';
import { requireOrSkip } from '../rig/requirements.js';
import { signal, startEngineUnderTest, type EngineUnderTest } from './docker-subject.js';

const runtimeModule = import.meta.resolve('@leafward/agent/runtimes/docker/docker-runtime.js');
const logModule = import.meta.resolve('@leafward/shared/log.js');

const program = (socketPath: string, container: object): string => `
import { createDockerRuntime } from ${JSON.stringify(runtimeModule)};
import { createLogger } from ${JSON.stringify(logModule)};
const runtime = createDockerRuntime({
  socketPath: ${JSON.stringify(socketPath)}, log: createLogger('killed', 'silent'),
});
const command = { argv: ['sleep', '1000'], deadlineMs: 600000, maxOutputBytes: 1000 };
await runtime.run(${JSON.stringify(container)}, command, new AbortController().signal);
`;

describe('a command in a container of its own', function () {
  this.timeout(60_000);
  let under: EngineUnderTest;
  before(async function () {
    requireOrSkip(this, 'engine');
    under = await startEngineUnderTest();
  });
  after(() => under?.dispose());

  it('is removed by the next agent when its own was killed, and not before', async () => {
    const { runtime, engine, directory } = under;
    await under.storageOf('m-left');
    const container = under.container('m-left');
    await runtime.pull(container.spec.image, () => undefined, signal);
    const path = join(directory, 'agent.mjs');
    await writeFile(path, program(engine.socketPath, container));
    const agent = spawn(process.execPath, [path], { stdio: 'inherit' });
    const ended = once(agent, 'exit');
    const users = async (): Promise<readonly { readonly member?: string | undefined }[]> =>
      (await runtime.list(signal)).filter(
        ({ writes, running }) => running && writes.includes(container.spec.storage),
      );
    await eventually(users, (found) => found.length === 1, 'it runs');
    expect((await users())[0]?.member, 'of another agent').to.equal(undefined);
    agent.kill('SIGKILL');
    await ended;
    await eventually(users, (found) => found.length === 0, 'it is removed');
    expect(await runtime.list(signal)).to.deep.equal([]);
  });
});
