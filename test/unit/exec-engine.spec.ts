// The engine that is described with commands, against commands that fail in every way there is: real processes.
import { expect } from 'chai';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EngineFact, ExecCommand } from '@leafward/shared/gen/domain.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import { eventually } from '../conformance/runtime.js';
import {
  makeExecFixture,
  of,
  SECRET,
  shell,
  signal,
  step,
  type ExecFixture,
} from './exec-fixture.js';

async function errorOf(attempt: Promise<unknown>): Promise<LeafwardError> {
  try {
    await attempt;
  } catch (error) {
    if (error instanceof LeafwardError) return error;
    throw error;
  }
  throw new Error('it succeeded');
}

/** What a healthy leader answers; each test spoils one part. */
const HEALTHY: Readonly<Record<string, ExecCommand>> = {
  role: shell('echo leader'),
  ready: shell('true', { format: 'exit-code' }),
  position: shell('echo 42'),
  writable: shell('echo yes'),
  identity: shell('echo abc'),
  version: shell('echo 1.2.3'),
};

describe('the engine of a kind that is described with commands', function () {
  this.timeout(120_000);
  let fixture: ExecFixture;
  beforeEach(async () => {
    fixture = await makeExecFixture();
  });
  afterEach(() => fixture.close());

  const look = (
    commands: Readonly<Record<string, ExecCommand>>,
    stop = signal,
  ): Promise<EngineFact> => fixture.engine.observe(fixture.member({ commands }), stop);
  const linesIn = async (name: string): Promise<number> =>
    (await readFile(join(fixture.storage, name), 'utf8').catch(() => '')).split('\n').length - 1;

  describe('a look', () => {
    it('tells a leader from a mirror, and asks each what concerns it', async () => {
      expect(await look(HEALTHY)).to.deep.include({
        ...{ answered: true, active: true, ready: true, readOnly: false, position: 42 },
        ...{ iden: 'abc', version: '1.2.3' },
      });
      const mirror = await look({
        ...HEALTHY,
        role: shell('echo slave', { words: { words: { slave: 'mirror' } } }),
        linked: shell('echo up', { words: { words: { up: 'true' } } }),
        upstream: shell('echo tcp://user:pass@leader:1'),
        writable: shell('exit 1'),
      });
      expect(mirror).to.deep.include({ active: false, uplink: true, answered: true });
      expect(mirror.upstreamUrl).to.equal('tcp://user@leader:1');
      expect(mirror.readOnly).to.equal(undefined);
    });

    it('says no secret, wherever a service puts it (I14)', async () => {
      const fact = await look({
        ...HEALTHY,
        role: shell('echo mirror'),
        upstream: shell('echo "tcp://leader:1/?password=$PASSWORD"'),
        version: shell('echo "1.2.3 $PASSWORD"'),
        identity: shell('echo "$PASSWORD"'),
      });
      expect(fact.answered, fact.error).to.equal(true);
      expect(JSON.stringify(fact)).to.not.contain(SECRET);
    });

    it('says read-only of a leader that takes no writes', async () => {
      expect((await look({ ...HEALTHY, writable: shell('echo off') })).readOnly).to.equal(true);
    });

    it('runs a shared command once, whatever reads it', async () => {
      const status = shell(
        'echo x >> "$STORAGE/count"; echo \'{"role": "leader", "log": {"at": 7}, "ok": true}\'',
        { format: 'json' },
      );
      const fact = await look({
        status,
        role: of('status', { format: 'json', field: 'role' }),
        position: of('status', { format: 'json', field: 'log.at' }),
        ready: of('status', { format: 'json', field: 'ok' }),
        writable: of('status', { format: 'exit-code' }),
      });
      expect(fact, fact.error).to.include({ active: true, position: 7, ready: true });
      expect(fact.readOnly).to.equal(false);
      expect(await linesIn('count')).to.equal(1);
    });

    it('asks what rarely changes once for each run of the member', async () => {
      const commands = { ...HEALTHY, version: shell('echo x >> "$STORAGE/count"; echo 1.0') };
      const member = fixture.member({ commands });
      await fixture.start(member);
      const observe = (): Promise<EngineFact> => fixture.engine.observe(member, signal);
      const first = await observe();
      expect((await observe()).version).to.equal('1.0');
      expect(await linesIn('count')).to.equal(1);
      await fixture.runtime.stop('00.db', 1000, signal);
      await fixture.runtime.start('00.db', signal);
      const restarted = await observe();
      expect(await linesIn('count')).to.equal(2);
      expect(restarted.runId).to.not.equal(first.runId);
    });

    it('reads positions of a log that is counted in bytes', async () => {
      const commands = { role: shell('echo leader'), position: shell('echo 16/B374D848') };
      const fact = await fixture.engine.observe(
        fixture.member({ commands, positions: 'lsn' }),
        signal,
      );
      expect(fact.position).to.equal(0x16 * 2 ** 32 + 0xb374d848);
    });
  });

  describe('a look at which one command', () => {
    const bad: readonly (readonly [string, Readonly<Record<string, ExecCommand>>, RegExp])[] = [
      [
        'fails',
        { role: shell('echo cannot connect >&2; exit 3') },
        /the command role of 00\.db \(sh -c .*\): exit code 3: cannot connect/,
      ],
      [
        'says nothing',
        { role: shell('true') },
        /role of 00\.db .*answered nothing, which is neither/,
      ],
      [
        'exits 0 with nonsense',
        { position: shell('echo many') },
        /position of 00\.db .*answered "many", which is not a whole number/,
      ],
      [
        'is missing',
        { ready: { ...shell(''), steps: [{ ...step(''), run: ['no-such-program'] }] } },
        /ready of 00\.db \(no-such-program\): .*there is no such program/,
      ],
      [
        'is missing within a script',
        { ready: shell('no-such-program', { format: 'exit-code' }) },
        /ready of 00\.db .*: exit code 127: .*not found/,
      ],
      [
        'answers no JSON',
        { role: shell('echo "{"', { format: 'json', field: 'role' }) },
        /role of 00\.db .*answered "\{", which is no JSON/,
      ],
      [
        'answers JSON without the field',
        { role: shell('echo \'{"a": {}}\'', { format: 'json', field: 'a.role' }) },
        /which has no a\.role/,
      ],
      [
        'answers what does not match',
        { role: shell('echo nothing of the kind', { match: 'role:(\\w+)' }) },
        /in which nothing matches role:/,
      ],
      [
        'has an expression that runs away',
        { role: shell(`printf 'a%.0s' $(seq 60); echo b`, { match: '^(a+)+$' }) },
        /the expression .* was not done with its text after 200 ms/,
      ],
      [
        'is killed',
        { ready: shell('kill -9 $$', { format: 'exit-code' }) },
        /ready of 00\.db .*exit code 137/,
      ],
      [
        'fails at step 2 of 3',
        { role: { format: 'plain', steps: [step('true'), step('exit 4'), step('echo leader')] } },
        /role of 00\.db, step 2 of 3 .*exit code 4; it printed nothing/,
      ],
      [
        'hangs',
        { role: { format: 'plain', steps: [step('sleep 100', { deadlineMs: 200 })] } },
        /role of 00\.db .*not over after 200 ms; all that it began was killed/,
      ],
      [
        'prints without end',
        { role: { format: 'plain', steps: [step('yes', { deadlineMs: 500 })] } },
        /role of 00\.db .*not over after 500 ms/,
      ],
      [
        'prints too much',
        { role: shell('yes | head -c 1000000') },
        /role of 00\.db .*printed more than its maxOutput/,
      ],
      [
        'has a placeholder without a value',
        { role: shell('echo {backup}') },
        /\{backup\} has no value/,
      ],
    ];
    for (const [what, spoilt, text] of bad)
      it(`${what} says which one, and decides nothing`, async () => {
        const fact = await look({ ...HEALTHY, ...spoilt });
        expect(fact.answered).to.equal(false);
        expect(fact.error).to.match(text);
        expect(Object.keys(fact).sort()).to.deep.equal(['answered', 'error']);
      });

    it('prints a secret shows it nowhere', async () => {
      for (const spoilt of [
        shell('echo "password $PASSWORD is wrong" >&2; exit 1'),
        shell('echo "$PASSWORD"'),
        // What is shown is cut at 120 letters: never amid a secret that was not yet taken out.
        shell(`printf 'a%.0s' $(seq 112); echo "$PASSWORD"`),
        shell(`printf 'a%.0s' $(seq 392) >&2; echo "$PASSWORD" >&2; exit 1`),
      ]) {
        const { error = '' } = await look({ ...HEALTHY, role: spoilt });
        expect(error).to.match(/\[hidden\]|…|aaaa/);
        for (let length = 4; length <= SECRET.length; length += 1)
          expect(error).to.not.include(SECRET.slice(0, length));
      }
    });

    it('is cut off by the caller ends in that time, with its children', async () => {
      const began = performance.now();
      const commands = { ...HEALTHY, role: shell('sleep 99 & sleep 98') };
      const fact = await look(commands, AbortSignal.timeout(300));
      expect(fact.answered).to.equal(false);
      expect(performance.now() - began).to.be.lessThan(10_000);
    });

    it('is held open by a grandchild answers all the same', async () => {
      const fact = await look({ ...HEALTHY, role: shell('sleep 99 & echo leader') });
      expect(fact, fact.error).to.include({ answered: true, active: true });
    });
  });

  it('prints 100 MB into a bounded memory', async () => {
    const before = process.memoryUsage().rss;
    let most = 0;
    const meter = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 10);
    const commands = {
      ...HEALTHY,
      role: {
        format: 'plain',
        steps: [step('yes 0123456789 | head -c 100000000', { deadlineMs: 20_000 })],
      },
    } as const;
    const fact = await look(commands);
    clearInterval(meter);
    expect(fact.error).to.match(/printed more than its maxOutput/);
    expect(most - before).to.be.lessThan(60e6);
  });

  it('knows what it can do by the commands that there are', () => {
    const { engine } = fixture;
    const able = (commands: Readonly<Record<string, ExecCommand>>): object =>
      engine.abilities(fixture.member({ commands }));
    expect(able({})).to.deep.equal({ seeds: false, repoints: false, storesPosition: false });
    const all = { seed: shell(''), repoint: shell(''), storedPosition: shell('') };
    expect(able(all)).to.deep.equal({ seeds: true, repoints: true, storesPosition: true });
  });

  it('names the command that an act would need', async () => {
    const member = fixture.member({ commands: HEALTHY });
    const error = await errorOf(fixture.engine.repoint(member, 'tcp://b:1', signal));
    expect(error.code).to.equal('invalid');
    expect(error.text).to.match(/kind base of 00\.db has no command repoint/);
  });

  describe('a role in the storage', () => {
    const commands = {
      storedUpstream: shell('cat "$STORAGE/upstream"'),
      setUpstream: {
        format: 'plain',
        steps: [
          {
            ...step(''),
            run: ['sh', '-c', 'echo "$1" > "$STORAGE/upstream"', 'sh', '{upstreamUrl}'],
          },
        ],
      },
      clearUpstream: shell(': > "$STORAGE/upstream"'),
    } as const;

    it('is asked of a storage whose data has the name of the backups elsewhere (I1)', async () => {
      await writeFile(join(fixture.storage, 'upstream'), 'tcp://a:1');
      const member = fixture.member({ commands }, { backupDirectory: '/srv/backups/upstream' });
      expect(await fixture.engine.readStoredRole(member)).to.deep.equal({
        upstreamUrl: 'tcp://a:1',
      });
    });

    it('is read back as it was written, and not asked of an empty storage', async () => {
      const { engine } = fixture;
      const member = fixture.member({ commands });
      expect(await engine.readStoredRole(member)).to.deep.equal({ upstreamUrl: undefined });
      await writeFile(join(fixture.storage, '.leafward.json'), '{}');
      expect(await engine.readStoredRole(member)).to.deep.equal({ upstreamUrl: undefined });
      const upstreamUrl = 'tcp://a b:1';
      await writeFile(join(fixture.storage, 'data'), '');
      await engine.writeRole(member, { role: 'mirror', upstreamUrl: 'tcp://a:1/$(id) x' });
      expect(await errorOf(engine.readStoredRole(member))).to.include({ code: 'failed' });
      await engine.writeRole(member, { role: 'mirror', upstreamUrl: 'tcp://a:1' });
      expect(await engine.readStoredRole(member)).to.deep.equal({ upstreamUrl: 'tcp://a:1' });
      await engine.writeRole(member, { role: 'leader' });
      expect(await engine.readStoredRole(member)).to.deep.equal({ upstreamUrl: null });
      await engine.writeRetired(member, 'tcp://new:1');
      expect(await engine.readStoredRole(member)).to.deep.equal({ upstreamUrl: 'tcp://new:1' });
      expect(upstreamUrl).to.not.equal(undefined);
    });
  });

  describe('a backup', () => {
    const backup = (script: string, change: Partial<ExecCommand> = {}) => ({
      ...HEALTHY,
      backup: {
        format: 'plain' as const,
        steps: [{ ...step(''), run: ['sh', '-c', script, 'sh', '{directory}'] }],
        ...change,
      },
    });
    const take = (commands: Readonly<Record<string, ExecCommand>>, name = 'one', stop = signal) => {
      const told: string[] = [];
      const onProgress = (text: string): number => told.push(text);
      const member = fixture.member({ commands });
      return { told, made: fixture.engine.backup(member, { name, onProgress }, stop) };
    };
    const left = (): Promise<readonly string[]> =>
      readdir(join(fixture.storage, 'backups')).catch(() => []);

    it('has its name only when it is complete, and tells of its progress', async () => {
      const script =
        'echo "$PASSWORD 10 %"; echo data > "$1/file"; ls -A "$STORAGE/backups" > "$STORAGE/seen"';
      const { told, made } = take(backup(script));
      const path = join(fixture.storage, 'backups', 'one');
      expect(await made).to.deep.equal({ path, position: 42 });
      expect(await readFile(join(path, 'file'), 'utf8')).to.equal('data\n');
      expect(await readFile(join(fixture.storage, 'seen'), 'utf8')).to.equal(
        '.leafward-partial-one@00.db\n',
      );
      expect(told.join()).to.include('[hidden] 10 %').and.not.include(SECRET);
      expect(await left()).to.deep.equal(['one']);
      expect((await errorOf(take(backup(script)).made)).code).to.equal('already-exists');
      expect((await errorOf(take(backup(script), '../x').made)).code).to.equal('invalid');
    });

    it('leaves nothing when it fails, is broken off, or wrote nothing', async () => {
      const half = 'echo half > "$1/file"; ';
      expect((await errorOf(take(backup(`${half} exit 1`)).made)).code).to.equal('failed');
      expect((await errorOf(take(backup('true')).made)).text).to.match(/wrote nothing/);
      const stop = new AbortController();
      const { made } = take(backup(`${half} sleep 100`), 'late', stop.signal);
      const error = errorOf(made);
      await eventually(left, (names) => names.length > 0, 'it has begun');
      const second = take(backup(half), 'second');
      expect((await errorOf(second.made)).code).to.equal('already-exists');
      stop.abort();
      expect((await error).code).to.equal('aborted');
      expect(await left()).to.deep.equal([]);
    });

    it('needs as much room as its data have', async () => {
      const { engine } = fixture;
      const told = await engine.backupRoom(
        fixture.member({ commands: { dataSize: shell('echo 12345') } }),
        signal,
      );
      expect(told).to.include({ needBytes: 12_345 });
      expect(told.freeBytes).to.be.greaterThan(0);
      await writeFile(join(fixture.storage, 'data'), Buffer.alloc(100_000, 1));
      const measured = await engine.backupRoom(fixture.member({ commands: {} }), signal);
      expect(measured.needBytes).to.be.within(100_000, 200_000);
    });
  });

  describe('acts', () => {
    it('believe a promotion when the member says that it leads', async () => {
      const role = shell('cat "$STORAGE/role" 2>/dev/null || echo mirror');
      const options = { graceful: false, timeoutMs: 3_000 };
      const promote = (script: string): Promise<void> =>
        fixture.engine.promote(
          fixture.member({ commands: { role, forcePromote: shell(script) } }),
          options,
          signal,
        );
      const late = '(sleep 0.3; echo leader > "$STORAGE/role") & wait';
      expect((await errorOf(promote('exit 5'))).text).to.match(
        /exit code 5.*observe, do not repeat/,
      );
      await promote(late);
      await promote('exit 5');
    });

    it('say `timeout` of a promotion that succeeds and leads to nothing', async () => {
      const commands = { role: shell('echo mirror'), forcePromote: shell('true') };
      const options = { graceful: false, timeoutMs: 600 };
      const attempt = fixture.engine.promote(fixture.member({ commands }), options, signal);
      expect((await errorOf(attempt)).code).to.equal('timeout');
    });

    it('step down first and look at the position then', async () => {
      const commands = {
        position: shell('cat "$STORAGE/at"'),
        fence: shell('echo 77 > "$STORAGE/at"; echo {timeoutSeconds} > "$STORAGE/seconds"'),
      };
      const options = { timeoutMs: 2_500 };
      const { engine } = fixture;
      const stepped = await engine.stepDown(fixture.member({ commands }), options, signal);
      expect(stepped).to.deep.equal({ position: 77 });
      expect(await readFile(join(fixture.storage, 'seconds'), 'utf8')).to.equal('3\n');
      const unable = fixture.member({ commands: { position: commands.position } });
      expect(await engine.stepDown(unable, options, signal)).to.equal(undefined);
    });

    it('digest a history at a position, and say not-found beyond the end', async () => {
      const commands = { position: shell('echo 5/0'), history: shell('echo "at {position}"') };
      const member = fixture.member({ commands, positions: 'lsn' });
      const { engine } = fixture;
      const at = (offset: number) => engine.probeHistory(member, offset, signal);
      const probe = await at(4 * 2 ** 32 + 0xab);
      expect(probe.sha256).to.match(/^[0-9a-f]{64}$/);
      expect((await at(4 * 2 ** 32)).sha256).to.not.equal(probe.sha256);
      expect((await errorOf(at(6 * 2 ** 32))).code).to.equal('not-found');
    });

    it('fill an empty storage, and see that it says what it was filled for', async () => {
      const commands = {
        seed: shell(
          'echo data > "$STORAGE/data"; echo {upstream.host} {upstream.port} {port.sql} > "$STORAGE/args"',
        ),
        restore: shell('cp "{backup}/data" "$STORAGE/data"'),
        storedUpstream: shell('cat "$STORAGE/upstream" 2>/dev/null; true'),
        setUpstream: shell('echo {upstreamUrl} > "$STORAGE/upstream"'),
        clearUpstream: shell('rm -f "$STORAGE/upstream"'),
      };
      const { engine, storage } = fixture;
      const member = fixture.member({ commands });
      const onProgress = (): void => undefined;
      await engine.seed(member, { upstreamUrl: 'tcp://a:5', onProgress }, signal);
      expect(await readFile(join(storage, 'args'), 'utf8')).to.equal('a 5 5432\n');
      expect(await engine.readStoredRole(member)).to.deep.equal({ upstreamUrl: 'tcp://a:5' });
      await writeFile(join(fixture.directory, 'data'), 'old');
      await engine.restore(member, { backupPath: fixture.directory, onProgress }, signal);
      expect(await readFile(join(storage, 'data'), 'utf8')).to.equal('old');
      expect(await engine.readStoredRole(member)).to.deep.equal({ upstreamUrl: null });
    });

    it('run on the host where the kind says so, with the same environment', async () => {
      const commands = {
        role: {
          format: 'plain',
          steps: [step('test "$PASSWORD" = hunter2-hunter2; echo leader', { place: 'host' })],
        },
      } as const;
      expect(await look(commands)).to.include({ answered: true, active: true });
    });
  });

  it('runs every command that only reads, and shows what each answered', async () => {
    const commands = {
      ...HEALTHY,
      status: shell('echo "role $PASSWORD leader"'),
      role: of('status', { match: '(leader)' }),
      ready: shell('echo perhaps'),
      position: { format: 'plain', steps: [{ ...step(''), run: ['no-such-program'] }] },
      promote: shell('touch "$STORAGE/promoted"'),
    } as const;
    const answers = await fixture.engine.test(fixture.member({ commands }), signal);
    const told = answers.map(({ command, ok, value, output, error = '' }) =>
      [command, ok ? 'ok' : 'bad', value ?? '-', output, error.slice(0, 30)].join('|'),
    );
    expect(told).to.deep.equal([
      'status|ok|-|role [hidden] leader|',
      'identity|ok|abc|abc|',
      'role|ok|leader|role [hidden] leader|',
      'position|bad|-||the command position of 00.db ',
      'ready|bad|-|perhaps|the command ready of 00.db (sh',
      'writable|ok|true|yes|',
      'version|ok|1.2.3|1.2.3|',
    ]);
    expect(await readdir(fixture.storage)).to.not.include('promoted');
  });

  it('asks a mirror whether it is linked, and says of a leader that it was not asked', async () => {
    const linkedOf = async (role: string): Promise<unknown> => {
      const commands = { role: shell(`echo ${role}`), linked: shell('echo perhaps') };
      const answers = await fixture.engine.test(fixture.member({ commands }), signal);
      return answers.find(({ command }) => command === 'linked');
    };
    expect(await linkedOf('leader')).to.include({ ok: true, value: 'not asked: it leads' });
    expect(await linkedOf('mirror')).to.include({ ok: false, output: 'perhaps' });
  });

  it('takes a line of the log for a migration by the expressions of its kind', () => {
    const member = fixture.member({ migrationRunning: 'migrating', migrationDone: 'migrated' });
    const { engine } = fixture;
    expect(engine.migrationIn('now migrating to 5', member)).to.equal('running');
    expect(engine.migrationIn('migrated', member)).to.equal('done');
    expect(engine.migrationIn('anything', member)).to.equal(undefined);
    const mad = fixture.member({ migrationRunning: '^(a+)+$' });
    expect(engine.migrationIn(`${'a'.repeat(60)}b`, mad)).to.equal(undefined);
  });
});
