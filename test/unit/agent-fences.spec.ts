// What must stop is stopped whatever else hangs, is full or cannot be written (I1, I2); what must not start does not.
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, open, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@leafward/shared/clock.js';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import { createLogger } from '@leafward/shared/log.js';
import { specDigestOf } from '@leafward/shared/spec-digest.js';
import type { Engine } from '@leafward/agent/engines/engine.js';
import { executeSteps } from '@leafward/agent/execute.js';
import type { Hands } from '@leafward/agent/hands.js';
import { createFences } from '@leafward/agent/fences.js';
import { openJournal, type Journal } from '@leafward/agent/journal.js';
import { fold } from '@leafward/agent/journal/fold.js';
import { emptyState, type JournalState } from '@leafward/agent/journal/records.js';
import { readMarker, writeMarker } from '@leafward/agent/marker.js';
import { hostMonotonicMs, openPermits } from '@leafward/agent/permits.js';
import { planSteps, type Step } from '@leafward/agent/plan.js';
import { createAct } from '@leafward/agent/requests/acts.js';
import { openProcessRuntime } from '@leafward/agent/runtimes/process/process-runtime.js';
import type { Runtime } from '@leafward/agent/runtimes/runtime.js';
import { writeInTurn } from '@leafward/agent/storage-writes.js';
import { eventually } from '../conformance/runtime.js';
import { intentOf, memberOf, observedOf, runningOf } from './agent-world.js';

const log = createLogger('test', 'silent');
const signal = new AbortController().signal;
const forever = (): Promise<never> => new Promise(() => undefined);
let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'leafward-fences-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const stop: Step = { kind: 'stop', member: '00.cortex', graceMs: 1, cause: 'fenced' };
const isolated = (): MemberIntent => intentOf({ isolation: { onIsolation: 'stop', leaseMs: 50 } });

/** Hands of which only what a test gives does anything. */
function handsOf(parts: {
  readonly journal?: Partial<Journal>;
  readonly runtime: Partial<Runtime>;
  readonly leftMs?: () => number;
}): Hands {
  return {
    journal: {
      state: emptyState,
      append: () => Promise.resolve(emptyState),
      ...parts.journal,
    } as Journal,
    permits: {
      renew: () => 0,
      expect: () => undefined,
      of: () => ({ leftMs: parts.leftMs?.() ?? 0, ageMs: 0 }),
      epoch: () => 0,
      sawEpoch: () => undefined,
    },
    secrets: { environmentOf: () => ({}), redact: (text: string) => text },
    now: () => 1,
    clock: systemClock,
    log,
    runtimeOf: () => parts.runtime as Runtime,
    engineOf: () => ({ forget: () => undefined }) as unknown as Engine,
  };
}
const chainOf = (intent: MemberIntent, steps: readonly Step[]) => ({
  intent,
  steps,
  obsolete: () => undefined,
  onActivity: () => undefined,
});

describe('a fence', () => {
  it('does not wait for a journal that hangs', async function () {
    this.timeout(120_000);
    const stopped: string[] = [];
    const hands = handsOf({
      journal: { append: forever },
      runtime: { stop: (member) => Promise.resolve(void stopped.push(member)) },
    });
    const result = await executeSteps(chainOf(intentOf(), [stop]), hands, signal);
    expect(result).to.include({ done: 1 });
    expect(stopped).to.deep.equal(['00.cortex']);
  });

  it('is not kept waiting by another step of a retired member that failed', () => {
    const intent = intentOf({ run: 'retired' });
    const backoff = {
      cause: 'step' as const,
      failures: 3,
      leftMs: 5000,
      failedStep: 'write-marker',
    };
    const [plan] = planSteps(observedOf(runningOf(intent, { backoff, marker: { kind: 'none' } })));
    const kinds = plan?.steps.map(({ kind }) => kind);
    expect(kinds).to.include('stop').and.not.include('write-marker');
    expect(plan?.waits.map(({ code }) => code)).to.include('step-failed');
  });

  it('stops a leader at the end of its lease while a look at the host hangs', async () => {
    let ageMs = 0;
    const began: string[] = [];
    const fences = createFences({
      intents: () => [isolated()],
      permits: { of: () => ({ leftMs: 0, ageMs }) },
      chains: {
        begin: (intent, steps) => began.push(`${intent.member} ${steps[0]?.kind ?? ''}`) > 0,
        isBusy: () => false,
      },
      stateOf: () => 'running',
    });
    fences.watch();
    expect(began).to.deep.equal([]);
    ageMs = 60;
    await eventually(
      () => began[0],
      (said) => said === '00.cortex stop',
      'it is stopped',
    );
    fences.stop();
  });

  it('is planned for a leader on a storage that somebody else uses, too', () => {
    const permit = { leftMs: 0, ageMs: 60 };
    const storageUsers = [{ name: 'somebody', running: true }];
    const [plan] = planSteps(observedOf(runningOf(isolated(), { permit, storageUsers })));
    expect(plan?.steps.map(({ kind }) => kind)).to.deep.equal(['stop']);
    expect(plan?.refusals.map(({ code }) => code)).to.deep.equal(['storage-in-use']);
  });

  it('stops whom an order retires, but not one that was retired before', () => {
    const began: string[] = [];
    const fences = createFences({
      intents: () => [intentOf()],
      permits: { of: () => ({ leftMs: 0, ageMs: 0 }) },
      chains: { begin: ({ member }) => began.push(member) > 0, isBusy: () => false },
      stateOf: () => 'running',
    });
    const order = {
      host: 'alpha',
      generation: 2,
      epoch: 1,
      members: [intentOf({ run: 'retired' })],
    };
    fences.retire(order, order.members);
    expect(began).to.deep.equal([]);
    fences.retire(order, [intentOf()]);
    expect(began).to.deep.equal(['00.cortex']);
  });

  it('kills a process that does not obey although nothing can be written down', async () => {
    const stateDirectory = join(directory, 'state');
    const reference = join(directory, 'stubborn-1.0.0.sh');
    await writeFile(reference, "#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 0.05; done\n");
    await chmod(reference, 0o755);
    await mkdir(stateDirectory);
    const runtime = await openProcessRuntime({ stateDirectory });
    const image = await runtime.resolve(reference, signal);
    await runtime.pull(image, () => undefined, signal);
    const storage = join(directory, 'storage');
    const spec = { ...intentOf().spec, image, storage, storageTarget: storage };
    const member = '00.cortex';
    const container = { member, service: 'cortex', spec, specDigest: specDigestOf(spec) };
    await runtime.create(container, signal);
    await runtime.start(member, signal);
    await mkdir(join(stateDirectory, 'members', member, 'run.json.new')); // no write passes it
    await runtime.stop(member, 50, signal);
    expect((await runtime.inspect(member, signal)).state).to.equal('exited');
  });
});

describe('an empty storage', () => {
  const started = (member: string, storage: string): JournalState =>
    fold(emptyState, { kind: 'step-started', at: 1, member, step: 'start', storage, cause: 'x' });
  const permit = { leftMs: 1000, ageMs: 0 };
  const codes = (journal: JournalState): readonly string[] => {
    const [plan] = planSteps(observedOf(memberOf(intentOf(), { permit }), journal));
    return (plan?.refusals ?? []).map(({ code }) => code);
  };

  it('is a new member’s, or one whose volume is not mounted: that one is not started', () => {
    expect(codes(emptyState)).to.deep.equal([]);
    expect(codes(started('00.cortex', '/srv/00.cortex'))).to.deep.equal(['storage-lost']);
    expect(codes(started('00.cortex', '/srv/another'))).to.deep.equal([]);
  });

  it('may be begun anew by a member that was left out of the order meanwhile', () => {
    const without = { host: 'alpha', generation: 1, epoch: 1, members: [] };
    const before = started('00.cortex', '/srv/00.cortex');
    const after = fold(before, { kind: 'intent-accepted', at: 1, intent: without });
    expect(codes(after)).to.deep.equal([]);
  });
});

describe('a start', () => {
  const start: Step = {
    kind: 'start',
    member: '00.cortex',
    storage: '/srv/00.cortex',
    permitTerm: 3,
    cause: 'x',
  };

  it('is taken back when its permit ran out before it was done', async () => {
    const did: string[] = [];
    let leftMs = 100;
    const hands = handsOf({
      leftMs: () => leftMs,
      runtime: {
        start: () => {
          leftMs = 0;
          return Promise.resolve(void did.push('start'));
        },
        stop: () => Promise.resolve(void did.push('stop')),
      },
    });
    const result = await executeSteps(chainOf(intentOf(), [start]), hands, signal);
    expect(did).to.deep.equal(['start', 'stop']);
    expect(result.error).to.include('I1');
  });

  it('is refused on a storage whose marker does not answer in time', async function () {
    this.timeout(120_000);
    const fifo = join(directory, '.leafward.json');
    execFileSync('mkfifo', [fifo]); // a read of it waits for ever, as one of a dead volume
    const reading = await readMarker(directory);
    expect(reading.kind).to.equal('unreadable');
    await (await open(fifo, 'w')).close(); // lets the waiting read go
  });
});

describe('a promotion', () => {
  const act = (intent: MemberIntent, retirements: object) =>
    createAct({
      host: 'alpha',
      clock: systemClock,
      journal: {
        state: {
          ...emptyState,
          retirements,
          intent: { host: 'alpha', generation: 1, epoch: 1, members: [intent] },
        },
        append: () => Promise.reject(new Error('it was begun')),
        close: () => Promise.resolve(),
      } as Journal,
      engineOf: () => ({}) as Engine,
    } as unknown as Parameters<typeof createAct>[0]);
  const rejection = async (storage: string, retirements: object): Promise<Error> => {
    const intent = intentOf({ spec: { ...intentOf().spec, storage } });
    const request = { kind: 'promote' as const, graceful: false, timeoutMs: 1, id: 'p', epoch: 1 };
    return act(intent, retirements)(
      { ...request, expiresAt: 0, member: '00.cortex', term: 3 },
      () => undefined,
      signal,
    ).then(
      () => new Error('it was done'),
      (error: unknown) => error as Error,
    );
  };

  it('is refused where the marker cannot be read (I2)', async () => {
    await writeFile(join(directory, '.leafward.json'), '{"format":');
    expect(await rejection(directory, {})).to.be.instanceOf(LeafwardError);
  });

  it('is refused on a retired storage under another spelling (I2)', async () => {
    const real = join(directory, 'real');
    await mkdir(real);
    await symlink(real, join(directory, 'link'));
    const retirement = { storage: real, member: '00.cortex', service: 'cortex', term: 2 };
    const error = await rejection(join(directory, 'link'), { [real]: retirement });
    expect(error.message).to.include('I2');
  });
});

describe('writes into a storage', () => {
  it('are given up in time and never overtake each other', async () => {
    const wrote: string[] = [];
    let release: () => void = () => undefined;
    const first = writeInTurn(
      directory,
      () => new Promise<void>((resolve) => (release = resolve)).then(() => void wrote.push('old')),
      20,
    ).catch((error: unknown) => error);
    expect(await first).to.be.instanceOf(LeafwardError);
    const second = writeInTurn(directory, async () => {
      await writeMarker(directory, { format: 1, service: 's', member: 'm', term: 2 });
      wrote.push('new');
    });
    release();
    await second;
    expect(wrote).to.deep.equal(['old', 'new']);
  });
});

describe('the time of permits', () => {
  it('is the host’s own, suspended or not', async () => {
    const seconds = Number((await readFile('/proc/uptime', 'latin1')).split(' ')[0]);
    expect(hostMonotonicMs()).to.be.within(seconds * 1000 - 10, seconds * 1000 + 5000);
  });

  it('survives an agent that died before it cut the file', async () => {
    const path = join(directory, 'permits.json');
    const options = { monotonic: () => 1000, path, bootId: 'b' };
    openPermits(options).expect('00.cortex', 3);
    await writeFile(path, `${await readFile(path, 'utf8')}of a longer one"]}`);
    const later = openPermits({ ...options, monotonic: () => 9000 });
    later.expect('00.cortex', 3);
    expect(later.of('00.cortex', 3).ageMs).to.equal(8000);
  });
});

describe('a journal on a full disk', function () {
  this.timeout(120_000);
  let mounted = '';
  before(function () {
    if (process.getuid?.() !== 0) this.skip();
  });
  afterEach(() => {
    if (mounted !== '') execFileSync('umount', [mounted]);
    mounted = '';
  });

  it('still takes the order that fences, from its reserve', async function () {
    const volume = join(directory, 'volume');
    await mkdir(volume);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', volume], {
        stdio: 'ignore',
      });
      mounted = volume;
    } catch {
      this.skip();
    }
    const journal = await openJournal(join(volume, 'journal.log'), log);
    const fill = await open(join(volume, 'fill'), 'w');
    const block = Buffer.alloc(65_536, 1);
    for (let full = false; !full;)
      full = await fill.write(block).then(
        ({ bytesWritten }) => bytesWritten < block.length,
        () => true,
      );
    await fill.close();
    const intent = {
      host: 'alpha',
      generation: 1,
      epoch: 1,
      members: [intentOf({ run: 'retired' })],
    };
    const command = 'x'.repeat(100_000);
    const state = await journal.append({
      kind: 'step-started',
      at: 1,
      member: '00.cortex',
      step: 'stop',
      storage: '/srv',
      cause: command,
    });
    expect(state.steps).to.have.property('00.cortex');
    await journal.append({ kind: 'intent-accepted', at: 1, intent });
    await journal.close();
    const again = await openJournal(join(volume, 'journal.log'), log);
    await again.close();
    expect(again.state.intent?.generation).to.equal(1);
  });
});
