// Deadlines: of whom there is one, what it says, and that the dead-man keeps it, and nothing else, whatever shell it is
// run by.
import { expect } from 'chai';
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { ContainerState, MemberIntent } from '@leafward/shared/gen/domain.js';
import { AGENT_TURN_MS, DEADMAN_LOOK_MS } from '@leafward/shared/lease.js';
import { createLogger } from '@leafward/shared/log.js';
import { armingOf, parseDeadline, renderDeadline } from '@leafward/agent/deadman/deadline.js';
import { createDeadman, type Deadman } from '@leafward/agent/deadman/deadman.js';
import { deadmanDirectory } from '@leafward/agent/deadman/directory.js';
import { createKeeper } from '@leafward/agent/deadman/keeper.js';
import { hostMonotonicMs } from '@leafward/agent/permits.js';
import { readBootId, readStat } from '@leafward/agent/runtimes/process/proc.js';
import { eventually } from '../conformance/runtime.js';
import { intentOf, mirrorIntent } from './agent-world.js';

const program = resolve(import.meta.dirname, '../../../packages/agent/deadman/leafward-deadman');
const isolation = { onIsolation: 'stop' as const, leaseMs: 5000, stopGraceMs: 2000 };
const leased = (changes: Partial<MemberIntent> = {}): MemberIntent =>
  intentOf({ isolation, ...changes });
const container = (state: ContainerState, id = 'c'.repeat(64)) => ({ state, id });
let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'leafward-deadman-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));

describe('a deadline', () => {
  it('is one line, and says the same when it is read', () => {
    const common = { bootId: 'b.1', atMs: 5000, graceMs: 2000, isAsked: false };
    const docker = { ...common, target: { kind: 'docker' as const, containerId: 'abc' } };
    const stateDirectory = '/var/lib/my agent';
    const plain = {
      ...common,
      isAsked: true,
      target: { kind: 'process' as const, pid: 7, startTicks: 9, stateDirectory },
    };
    expect(renderDeadline(docker)).to.equal('1 b.1 5000 2000 TERM docker abc\n');
    expect(renderDeadline(plain)).to.equal('1 b.1 5000 2000 - process 7 9 /var/lib/my agent\n');
    for (const one of [docker, plain])
      expect(parseDeadline(renderDeadline(one))).to.deep.equal(one);
    for (const other of ['', '2 b.1 5000 2000 TERM docker abc\n', '1 b.1 soon 1 TERM docker a\n'])
      expect(parseDeadline(other)).to.equal(undefined);
  });

  it('is there for what leads by a permit and may run, and for nothing else', () => {
    const arming = (intent: MemberIntent, state?: ContainerState, isBusy = false) =>
      armingOf(intent, state, isBusy);
    expect(arming(leased(), 'running')).to.equal('arm');
    expect(arming(leased(), 'paused')).to.equal('arm');
    // Not seen yet, or an Engine that hangs: what was armed is still it.
    expect(arming(leased())).to.equal('renew');
    expect(arming(leased(), 'unknown')).to.equal('renew');
    expect(arming(leased(), 'created', true), 'it is being started').to.equal('renew');
    expect(arming(leased(), 'exited')).to.equal('disarm');
    expect(arming(leased({ run: 'retired' }), 'running'), 'until it is stopped').to.equal('keep');
    expect(arming(leased({ run: 'retired' }), 'exited')).to.equal('disarm');
    expect(arming(mirrorIntent({ isolation }), 'running')).to.equal('disarm');
    expect(arming(leased({ mirrored: false }), 'running')).to.equal('disarm');
    expect(arming(intentOf(), 'running'), 'onIsolation: keep').to.equal('disarm');
  });
});

describe('an agent and its deadlines', () => {
  let now = 0;
  let ageMs = 0;
  let orders: readonly MemberIntent[] = [];
  const docker = (changes: Partial<MemberIntent> = {}): MemberIntent => {
    const intent = leased(changes);
    return { ...intent, spec: { ...intent.spec, runtime: 'docker' } };
  };
  const open = (): Deadman => {
    const files = deadmanDirectory(directory, 'boot');
    const log = createLogger('test', 'silent');
    const monotonic = (): number => now;
    return createDeadman({
      directory: files,
      keeper: createKeeper({ directory: files, monotonic, log, program: undefined, patienceMs: 0 }),
      stateDirectory: directory,
      bootId: 'boot',
      permits: { of: () => ({ leftMs: 0, ageMs }) },
      intents: () => orders,
      isBusy: () => false,
      monotonic,
      now: () => 1_000_000 + now,
      log,
    });
  };
  const armed = (): string | undefined => {
    const line = deadmanDirectory(directory, 'boot').read().get('00.cortex');
    return line?.split(' ').slice(2, 6).join(' ');
  };
  const deadline = (renewedAt: number): number => renewedAt + isolation.leaseMs + AGENT_TURN_MS;
  beforeEach(() => {
    now = 50_000;
    ageMs = 0;
    orders = [docker()];
  });

  it('arms before a start, and with every permit later', () => {
    const deadman = open();
    deadman.beforeStart(docker(), container('created'));
    expect(armed()).to.equal(`${deadline(50_000)} 2000 TERM docker`);
    now = 51_000;
    deadman.looked([{ intent: docker(), container: container('running') }]);
    expect(armed()).to.equal(`${deadline(51_000)} 2000 TERM docker`);
    now = 55_000;
    ageMs = 3000;
    deadman.rearm();
    expect(armed()).to.equal(`${deadline(52_000)} 2000 TERM docker`);
  });

  it('keeps one from being started that it could not be told of', () => {
    const deadman = open();
    const unknown = { state: 'unknown' as const, error: 'the Engine gave no answer' };
    expect(() => deadman.beforeStart(docker(), unknown)).to.throw(
      /\[unavailable\] start 00.cortex/,
    );
    rmSync(directory, { recursive: true });
    writeFileSync(directory, 'no directory');
    expect(() => deadman.beforeStart(docker(), container('created'))).to.throw(/\[exhausted\]/);
  });

  it('lets it run out while no permit comes, over a restart of the agent and an Engine that hangs', () => {
    open().looked([{ intent: docker(), container: container('running') }]);
    const first = armed();
    now = 54_000;
    ageMs = 4000;
    const restarted = open();
    restarted.rearm();
    restarted.looked([{ intent: docker(), container: { state: 'unknown' } }]);
    expect(armed()).to.equal(first);
    ageMs = 0;
    restarted.rearm();
    expect(armed()).to.equal(`${deadline(54_000)} 2000 TERM docker`);
  });

  it('leaves nothing but the kill to the dead-man once it stops the leader itself', () => {
    const deadman = open();
    deadman.looked([{ intent: docker(), container: container('running') }]);
    deadman.asked('00.cortex');
    expect(armed()).to.equal(`${deadline(50_000)} 2000 - docker`);
    now = 51_000; // renewed after all
    deadman.rearm();
    expect(armed()).to.equal(`${deadline(51_000)} 2000 TERM docker`);
  });

  it('disarms what is stopped or follows, and leaves what it must stop to its deadline', () => {
    const deadman = open();
    deadman.looked([{ intent: docker(), container: container('running') }]);
    orders = [docker({ run: 'retired' })];
    now = 53_000;
    deadman.rearm();
    expect(armed(), 'not renewed').to.equal(`${deadline(50_000)} 2000 TERM docker`);
    deadman.looked([{ intent: docker({ run: 'retired' }), container: container('exited') }]);
    expect(armed()).to.equal(undefined);
    expect(deadman.fact()).to.equal(undefined);
  });

  it('leaves a leader that no order names any more to its deadline', () => {
    open().looked([{ intent: docker(), container: container('running') }]);
    orders = [];
    const reinstalled = open();
    reinstalled.rearm();
    expect(armed()).to.equal(`${deadline(50_000)} 2000 TERM docker`);
    now += 3_600_000;
    reinstalled.rearm();
    expect(armed()).to.equal(undefined);
  });

  it('knows whose newest run the dead-man has ended, whatever it did in another boot', () => {
    writeFileSync(
      join(directory, 'stops'),
      'earlier 1 00.axon killed\nboot 20000 00.cortex stopped\n',
    );
    const stoppedAt = 1_000_000 + 20_000;
    const deadman = open();
    expect(deadman.hasStoppedSince('00.cortex', stoppedAt - 5000)).to.equal(true);
    expect(deadman.hasStoppedSince('00.cortex', stoppedAt + 5000)).to.equal(false);
    expect(deadman.hasStoppedSince('00.axon', 0)).to.equal(false);
  });

  it('tells what the dead-man did, in times of the day', () => {
    writeFileSync(
      join(directory, 'stops'),
      'earlier 1 00.axon killed\nboot 20000 00.cortex stopped\n',
    );
    writeFileSync(join(directory, 'alive'), 'boot 49000 123\n');
    expect(open().fact()).to.deep.equal({
      alive: true,
      armed: 0,
      stops: 1,
      lastStopAt: 1_000_000 + 20_000,
      lastMember: '00.cortex',
    });
    now += 5 * DEADMAN_LOOK_MS;
    expect(open().fact()?.alive).to.equal(false);
  });
});

const shells = [['dash'], ['bash', '--posix'], ['busybox', 'sh']].filter(
  ([name = '', ...rest]) => spawnSync(name, [...rest, '-c', ':']).status === 0,
);

for (const shell of shells)
  describe(`the dead-man, run by ${shell.join(' ')}`, function () {
    this.timeout(120_000);
    const children: ChildProcess[] = [];
    let bootId = '';
    let output = '';
    before(async () => {
      bootId = await readBootId();
    });
    afterEach(() => {
      for (const child of children.splice(0)) {
        child.kill('SIGKILL');
        if (child.pid !== undefined && child.spawnargs[0] === 'setsid') killGroup(child.pid);
      }
      output = '';
    });

    const start = (...options: readonly string[]): ChildProcess => {
      const [name = 'sh', ...rest] = shell;
      const child = spawn(name, [...rest, program, ...options, directory], { stdio: 'pipe' });
      child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
      children.push(child);
      return child;
    };
    /** A session of its own, as members are. */
    const member = (script: string, words: readonly string[] = []): number => {
      const child = spawn('sh', ['-c', script, ...words], { detached: true, stdio: 'ignore' });
      children.push(child);
      return child.pid ?? -1;
    };
    const arm = (
      name: string,
      options: {
        readonly pid: number;
        readonly ticks?: number | undefined;
        readonly inMs?: number;
        readonly graceMs?: number;
        readonly boot?: string;
        readonly isAsked?: boolean;
      },
    ): void => {
      const { pid, inMs = 0, graceMs = 20_000, isAsked = false } = options;
      const line = renderDeadline({
        bootId: options.boot ?? bootId,
        atMs: Math.round(hostMonotonicMs() + inMs),
        graceMs,
        isAsked,
        target: {
          kind: 'process',
          pid,
          startTicks: options.ticks ?? readStat(pid)?.startTicks ?? -1,
          stateDirectory: directory,
        },
      });
      deadmanDirectory(directory, bootId).write(name, line);
    };
    const lives = (pid: number): boolean => !['Z', undefined].includes(readStat(pid)?.state);
    const untilGone = (pid: number): Promise<boolean> =>
      eventually(
        () => lives(pid),
        (isAlive) => !isAlive,
        `process ${pid} is gone (${output})`,
        15_000,
      );
    /** The moment of its newest look. */
    const untilLooked = (afterMs: number): Promise<number> =>
      eventually(
        () => deadmanDirectory(directory, bootId).aliveAtMs() ?? 0,
        (at) => at > afterMs,
        'it looks again',
        15_000,
      );
    const stops = (): readonly string[] =>
      deadmanDirectory(directory, bootId)
        .stops()
        .map(({ member: name, how }) => `${name} ${how}`);

    it('stops who is due, not before, and writes it down once', async () => {
      const pid = member('sleep 300; :');
      arm('00.cortex', { pid, inMs: 1500 });
      const dueAt = hostMonotonicMs() + 1500;
      start();
      await untilGone(pid);
      expect(hostMonotonicMs()).to.be.at.least(dueAt - 20);
      await untilLooked(hostMonotonicMs() + DEADMAN_LOOK_MS);
      expect(stops()).to.deep.equal(['00.cortex stopped']);
      expect(output).to.match(/00\.cortex: its permit ran out \d+ ms ago .* SIGTERM to \d+/);
      expect(output).to.include('00.cortex: is stopped');
    });

    it('kills who does not end in its grace, and at once who is overdue by more', async () => {
      const deaf = 'trap : TERM; while :; do sleep 0.1; done';
      const slow = member(deaf);
      const overdue = member(deaf);
      const asked = member('sleep 300; :');
      arm('00.cortex', { pid: slow, graceMs: 300 });
      arm('00.axon', { pid: overdue, inMs: -60_000 });
      arm('00.aha', { pid: asked, graceMs: 300, isAsked: true });
      start();
      await Promise.all([slow, overdue, asked].map(untilGone));
      expect([...stops()].sort()).to.deep.equal([
        '00.aha killed',
        '00.axon killed',
        '00.cortex stopped',
      ]);
    });

    it('finds one by the words of its wrapper when nobody could tell its number', async () => {
      const words = ['leafward-member', directory, '00.cortex', '/srv/00.cortex', 'd', 'i', '0'];
      const script = 'sleep 300\n:\n';
      const pid = member(script, words);
      const other = member(script, words.with(2, '01.cortex'));
      await eventually(
        () => readFileSync(`/proc/${pid}/cmdline`, 'utf8'),
        (text) => text.includes('leafward-member'),
        'its wrapper runs',
      );
      arm('00.cortex', { pid: 0, ticks: 0 });
      start();
      await untilGone(pid);
      expect(lives(other)).to.equal(true);
    });

    // What follows hangs on no shell.
    if (shell !== shells[0]) return;

    it('does nothing by a deadline of another boot, a damaged one, or of a number that is another’s', async () => {
      const pid = member('sleep 300; :');
      const ticks = readStat(pid)?.startTicks ?? 0;
      arm('00.cortex', { pid, boot: `${bootId}9` });
      arm('01.cortex', { pid, ticks: ticks - 1 });
      writeFileSync(join(directory, '02.cortex.armed'), `1 ${bootId} 1`);
      writeFileSync(
        join(directory, '03.cortex.armed'),
        `1 ${bootId} soon 1 TERM process ${pid} ${ticks} /`,
      );
      writeFileSync(join(directory, '04.cortex.armed'), '');
      start();
      await untilLooked(await untilLooked(0));
      await untilLooked(hostMonotonicMs());
      expect(lives(pid)).to.equal(true);
      expect(stops()).to.deep.equal([]);
      expect(output).to.equal('');
    });

    it('leaves alone who was renewed in time', async () => {
      const pid = member('sleep 300; :');
      start();
      for (let rounds = 0; rounds < 3; rounds += 1) {
        arm('00.cortex', { pid, inMs: 2500 });
        await untilLooked(hostMonotonicMs());
      }
      expect(lives(pid)).to.equal(true);
      expect(stops()).to.deep.equal([]);
    });

    it('ends with its directory', async () => {
      const child = start();
      const ended = new Promise((resolve) => child.once('exit', resolve));
      await untilLooked(0);
      rmSync(directory, { recursive: true, maxRetries: 5 });
      expect(await ended).to.equal(0);
    });
  });

describe('the dead-man', () => {
  it('looks as often as every wait counts on', () => {
    expect(readFileSync(program, 'utf8')).to.include(`\nLOOK_SECONDS=${DEADMAN_LOOK_MS / 1000}\n`);
    expect(execFileSync('sh', ['-n', program]).toString()).to.equal('');
  });
});

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // it was gone already
  }
}
