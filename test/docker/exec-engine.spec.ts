// A kind that is described with commands, in containers of a real Engine: a small database that is a few files and a
// shell's script. What its commands see of the host they see through mounts.
import { expect } from 'chai';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CommandStep, ExecCommand, MemberSpec } from '@leafward/shared/gen/domain.js';
import { createExecEngine } from '@leafward/agent/engines/exec/engine.js';
import type { Engine, EngineMember } from '@leafward/agent/engines/engine.js';
import { requireOrSkip } from '../rig/requirements.js';
import { log, signal, startEngineUnderTest, type EngineUnderTest } from './docker-subject.js';

const SECRET = 'hunter2-hunter2';

function command(script: string, ...words: readonly string[]): ExecCommand {
  const run = ['sh', '-c', `set -eu; test "$PASSWORD" = ${SECRET}; ${script}`, 'sh', ...words];
  const step: CommandStep = { run, place: 'member', deadlineMs: 20_000, maxOutputBytes: 65_536 };
  return { steps: [step], format: 'plain' };
}

const commands: Readonly<Record<string, ExecCommand>> = {
  role: command('if test -s /data/upstream; then echo mirror; else echo leader; fi'),
  position: command('wc -c < /data/log'),
  storedPosition: command('wc -c < "$1/log"', '{storage}'),
  storedUpstream: command('cat "$1/upstream" 2>/dev/null || :', '{storage}'),
  setUpstream: command('echo "$2" > "$1/upstream"', '{storage}', '{upstreamUrl}'),
  clearUpstream: command('rm -f "$1/upstream"', '{storage}'),
  seed: command(
    'echo seeded > "$1/log"; echo half; echo "$2" > "$1/from"',
    '{storage}',
    '{upstreamUrl}',
  ),
  backup: command('cp "$1/log" "$2/log"', '{storage}', '{directory}'),
  restore: command('cp "$2/log" "$1/log"', '{storage}', '{backup}'),
  fence: command('touch "$1/fenced"', '{storage}'),
};

describe('a described kind in containers', function () {
  this.timeout(90_000);
  let under: EngineUnderTest;
  let engine: Engine;
  before(async function () {
    requireOrSkip(this, 'engine');
    under = await startEngineUnderTest();
    await under.runtime.pull(under.image, () => undefined, signal);
    engine = createExecEngine({
      runtimeOf: () => under.runtime,
      containerOf: ({ member, spec }) =>
        under.container(member, 'obedient', {
          ...spec,
          environment: { ...spec.environment, PASSWORD: SECRET },
        }),
      redact: (text) => text.replaceAll(SECRET, '[hidden]'),
      log,
    });
  });
  after(() => under?.dispose());

  const onProgress = (): void => undefined;
  const memberOf = (name: string, change: Partial<MemberSpec> = {}): EngineMember => {
    const { member, service, spec } = under.container(name, 'obedient', change);
    return { member, service, spec, exec: { commands, positions: 'number' } };
  };
  const begin = async ({ member, spec }: EngineMember): Promise<void> => {
    const environment = { ...spec.environment, PASSWORD: SECRET };
    await under.runtime.create(
      under.container(member, 'obedient', { ...spec, environment }),
      signal,
    );
    await under.runtime.start(member, signal);
  };
  const left = async (): Promise<readonly string[]> =>
    (await under.runtime.list(signal)).filter(({ command }) => command).map(({ name }) => name);

  it('is seeded while it does not run, steps down, and is backed up while it does', async () => {
    const storage = await under.storageOf('m-db');
    const member = memberOf('m-db');
    await engine.seed(member, { upstreamUrl: 'tcp://a:1/$(id)', onProgress }, signal);
    expect(await readFile(join(storage, 'from'), 'utf8')).to.equal('tcp://a:1/$(id)\n');
    expect(await engine.readStoredRole(member)).to.deep.equal({ upstreamUrl: 'tcp://a:1/$(id)' });
    expect(await engine.storedPosition(member, signal)).to.equal(7);
    await engine.writeRole(member, { role: 'leader' });
    await begin(member);
    expect(await engine.observe(member, signal)).to.include({ answered: true, active: true });
    const reached = await engine.stepDown(member, { timeoutMs: 10_000 }, signal);
    expect(reached).to.deep.equal({ position: 7 });
    const made = await engine.backup(
      member,
      { name: 'b1', databaseBackup: undefined, onProgress },
      signal,
    );
    expect(made).to.deep.equal({ path: join(storage, 'backups/b1'), position: 7 });
    expect(await readdir(join(storage, 'backups'))).to.deep.equal(['b1']);
    await under.runtime.stop('m-db', 5000, signal);
    expect(await left()).to.deep.equal([]);
  });

  it('is restored from its own mounts, and from where none of them is', async () => {
    const storage = await under.storageOf('m-back');
    await mkdir(join(storage, 'backups/b1'), { recursive: true });
    await writeFile(join(storage, 'backups/b1/log'), 'inside');
    const elsewhere = join(under.directory, 'elsewhere');
    await mkdir(elsewhere);
    await writeFile(join(elsewhere, 'log'), 'outside');
    await writeFile(join(storage, 'upstream'), 'tcp://a:1');
    const member = memberOf('m-back');
    for (const [backupPath, text] of [
      [join(storage, 'backups/b1'), 'inside'],
      [elsewhere, 'outside'],
    ] as const) {
      await engine.restore(member, { backupPath, onProgress }, signal);
      expect(await readFile(join(storage, 'log'), 'utf8')).to.equal(text);
      expect(await engine.readStoredRole(member)).to.deep.equal({ upstreamUrl: null });
    }
    expect(await left()).to.deep.equal([]);
  });
});
