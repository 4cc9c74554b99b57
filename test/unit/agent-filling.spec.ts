// Storages that are filled before a start: what is planned for them, and that no order, crash or lost memory makes
// anything start from a retired or a half filled one (I2).
import { expect } from 'chai';
import * as fc from 'fast-check';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { fold } from '@leafward/agent/journal/fold.js';
import { emptyState, type JournalState } from '@leafward/agent/journal/records.js';
import { planSteps, type ObservedMember } from '@leafward/agent/plan.js';
import { intentOf, memberOf, mirrorIntent, observedOf, runningOf } from './agent-world.js';
import { ABLE, live, stepsOf, worldOf, type World } from './filling-world.js';

const STORAGE = '/srv/00.cortex';
const permit = { leftMs: 4000, ageMs: 1000 };

function lineOf(member: ObservedMember, journal: Partial<JournalState> = {}): string {
  const [plan] = planSteps(observedOf(member, journal));
  return [
    plan?.steps.map(({ kind }) => kind).join(' ') || '-',
    ...(plan?.waits ?? []).map(({ code }) => `wait:${code}`),
    ...(plan?.refusals ?? []).map(({ code }) => `refuse:${code}`),
  ].join(' | ');
}

const own = { format: 1 as const, service: 'cortex', member: '00.cortex', term: 3 };
const found = (changes: object) => ({ kind: 'found' as const, marker: { ...own, ...changes } });
const retired = { term: 3, at: 5, reason: 'failover' };
const retirement = {
  ...retired,
  member: '00.cortex',
  service: 'cortex',
  storage: STORAGE,
  proven: true,
};
const seeds = { abilities: ABLE };
const reseed = { id: 'r1', wipe: false };
const reseeding = (changes: Partial<MemberIntent> = {}): MemberIntent =>
  mirrorIntent({ reseed, ...changes });
const SEED = 'write-marker seed write-marker';

describe('a new mirror', () => {
  it('is seeded before its first start, and started when the copy is whole', () => {
    const empty = memberOf(mirrorIntent(), { ...seeds, storageEmpty: true });
    expect(lineOf(empty)).to.equal(`${SEED} | wait:seeding`);
    const world = live(worldOf(mirrorIntent()));
    expect(stepsOf(world).map(({ kind }) => kind)).to.deep.equal(['create', 'start']);
  });
  it('is not seeded where the service fills itself, where something lies, or as a leader', () => {
    const start = 'create write-marker write-role start';
    expect(lineOf(memberOf(mirrorIntent(), { storageEmpty: true }))).to.equal(start);
    expect(lineOf(memberOf(mirrorIntent(), { ...seeds, storageEmpty: false }))).to.equal(start);
    expect(lineOf(memberOf(intentOf(), { ...seeds, permit }))).to.equal(start);
  });
  it('is seeded again when that was cut short, and left alone for a while when it fails', () => {
    const marker = found({ seeding: { from: '01.cortex' } });
    const half = memberOf(mirrorIntent(), { ...seeds, marker, storageEmpty: false });
    expect(lineOf(half)).to.equal('seed write-marker | wait:seeding');
    const backoff = { cause: 'step' as const, failures: 2, leftMs: 900, failedStep: 'seed' };
    expect(lineOf({ ...half, backoff })).to.equal('- | wait:seeding | wait:step-failed');
  });
  it('waits for its image, secrets and files before anything is wiped', () => {
    const empty = memberOf(mirrorIntent(), { ...seeds, storageEmpty: true });
    expect(lineOf({ ...empty, imagePresent: false })).to.equal('pull | wait:image-missing');
    const missingFiles = ['/etc/x.yaml'];
    expect(lineOf({ ...empty, missingFiles })).to.equal('- | wait:file-missing');
  });
});

describe('half of a copy', () => {
  const marker = found({ seeding: { from: 'the backup b1', id: 'q1' } });
  it('leads nobody, and does not run', () => {
    expect(lineOf(memberOf(intentOf(), { ...seeds, permit, marker }))).to.equal(
      '- | refuse:half-filled',
    );
    const running = runningOf(intentOf(), { ...seeds, permit, marker });
    expect(lineOf(running)).to.equal('stop | refuse:half-filled');
  });
  it('is not started by a service that fills itself either: it is wiped first', () => {
    expect(lineOf(memberOf(mirrorIntent(), { marker }))).to.equal(
      'set-aside write-marker journal-filled | wait:seeding',
    );
  });
  it('is known from memory alone', () => {
    const filling = { id: 'q1', member: '00.cortex', reseed: false, state: 'emptied' as const };
    const fillings = { [STORAGE]: filling };
    const leader = memberOf(intentOf(), { ...seeds, permit });
    expect(lineOf(leader, { fillings })).to.equal('- | refuse:half-filled');
    const start = { kind: 'step-started', at: 0, step: 'start', cause: '' } as const;
    expect(() =>
      fold({ ...emptyState, fillings }, { ...start, member: '00.cortex', storage: STORAGE }),
    ).to.throw('emptied');
  });
});

describe('a reseed', () => {
  const ALL = `set-aside ${SEED} journal-filled | wait:seeding`;
  it('stops a mirror, takes away what it has and seeds it', () => {
    expect(lineOf(runningOf(reseeding(), seeds))).to.equal(`stop ${ALL}`);
  });
  it('leaves the filling to a service that does it itself', () => {
    expect(lineOf(runningOf(reseeding()))).to.equal(
      'stop set-aside write-marker journal-filled | wait:seeding',
    );
  });
  it('is done once, by the storage’s word or by memory', () => {
    const marker = found({ reseeded: 'r1' });
    expect(lineOf(runningOf(reseeding(), { ...seeds, marker }))).to.equal('-');
    const filling = { id: 'q', member: '00.cortex', reseed: false, state: 'filled' as const };
    const fillings = { [STORAGE]: { ...filling, reseeded: 'r1' } };
    expect(lineOf(runningOf(reseeding(), seeds), { fillings })).to.equal('-');
    const lost = memberOf(reseeding(), { ...seeds, storageEmpty: true });
    const startedOn = { [STORAGE]: '00.cortex' };
    expect(lineOf(lost, { fillings, startedOn })).to.equal('- | refuse:storage-lost');
    // What was lost is what an order to reseed is for.
    expect(lineOf(lost, { startedOn })).to.equal(ALL);
  });
  it('lifts a retirement, and nothing else does (I2)', () => {
    const lost = { ...seeds, marker: found({ retired }), storageEmpty: false };
    const retirements = { [STORAGE]: retirement };
    expect(lineOf(memberOf(reseeding(), lost), { retirements })).to.equal(ALL);
    const others = [
      mirrorIntent(),
      reseeding({ run: 'stopped' }),
      reseeding({ run: 'retired' }),
      intentOf({ reseed }),
      reseeding({ term: 2 }),
    ];
    for (const intent of others)
      expect(lineOf(memberOf(intent, { ...lost, permit }), { retirements })).to.contain(
        'refuse:retired',
      );
    const done = found({ retired, reseeded: 'r1' });
    const again = memberOf(reseeding(), { ...lost, marker: done });
    expect(lineOf(again, { retirements })).to.equal('- | refuse:retired');
  });
  it('that cannot be stops whoever runs on a retired storage all the same (I2)', () => {
    const marker = found({ retired });
    const retirements = { [STORAGE]: retirement };
    const seen = { ...seeds, marker, storageMounted: true, storageEmpty: false };
    const line = lineOf(runningOf(reseeding(), seen), { retirements });
    expect(line).to.equal(
      'stop journal-retired-start journal-retired-stop | ' + 'refuse:mount-point | refuse:retired',
    );
  });
  it('is refused before anything is touched: another’s storage, a mount point, no room (I7)', () => {
    const refused = (changes: Partial<ObservedMember>, intent = reseeding()): string =>
      lineOf(runningOf(intent, { ...seeds, ...changes }));
    expect(refused({ marker: found({ member: '07.cortex' }) })).to.equal(
      '- | refuse:foreign-storage',
    );
    expect(refused({ storageMounted: true })).to.equal('- | refuse:mount-point');
    const spec = { ...reseeding().spec, backupDirectory: '/backups' };
    const storage = { dataBytes: 10, freeBytes: 9 };
    expect(refused({ storage }, reseeding({ spec }))).to.contain('refuse:no-room');
    const wiping = reseeding({ spec, reseed: { id: 'r1', wipe: true } });
    expect(refused({ storage, storageMounted: true }, wiping)).to.equal(`stop ${ALL}`);
  });
  it('does not undo a promotion that its order does not know', () => {
    const promotions = { '00.cortex': 4 };
    expect(lineOf(runningOf(reseeding(), seeds), { promotions })).to.equal('- | wait:promoted');
    expect(lineOf(runningOf(reseeding(), { ...seeds, promoting: true }))).to.equal('-');
  });
});

describe('a reseed from a backup', () => {
  const from = reseeding({ reseed: { ...reseed, backup: 'b1' } });
  const seedBackup = { sizeBytes: 5 };
  it('is the agent’s own doing, whatever the service does itself', () => {
    const line = `stop set-aside ${SEED} journal-filled | wait:seeding`;
    expect(lineOf(runningOf(from, { seedBackup }))).to.equal(line);
    expect(lineOf(runningOf(from, { ...seeds, seedBackup }))).to.equal(line);
    const steps = planSteps(observedOf(runningOf(from, { seedBackup }), {}))[0]?.steps ?? [];
    expect(steps.find(({ kind }) => kind === 'set-aside')).to.deep.include({ backup: 'b1' });
    expect(steps.find(({ kind }) => kind === 'seed')).to.include({
      backup: 'b1',
      emptiedFor: 'r1',
    });
  });
  it('stops and empties nothing before the backup is here', () => {
    expect(lineOf(runningOf(from))).to.equal('- | wait:backup-missing');
    const marker = found({ seeding: { from: 'the backup b1', id: 'r1' }, reseeded: 'r1' });
    expect(lineOf(runningOf(from, { marker }))).to.equal('stop | wait:backup-missing');
  });
  it('goes on where the backup itself was moved aside with the storage', () => {
    const filling = { id: 'r1', state: 'begun' as const };
    const journal = { fillings: { [STORAGE]: filling } } as unknown as Partial<JournalState>;
    const line = `set-aside ${SEED} journal-filled | wait:seeding`;
    expect(lineOf(memberOf(from, { storageEmpty: true }), journal)).to.equal(line);
  });
  it('leaves nothing of a first start that was cut short, which would be wiped', () => {
    const marker = found({ provisioning: { broken: true } });
    const [plan] = planSteps(observedOf(runningOf(from, { seedBackup, marker }), {}));
    const markers = plan?.steps.flatMap((step) =>
      step.kind === 'write-marker' ? [step.marker.provisioning] : [],
    );
    expect(markers).to.deep.equal([undefined, undefined]);
  });
  it('that was cut short goes on from the backup, by the storage’s word alone', () => {
    const marker = found({ seeding: { from: 'the backup b1', id: 'r1' }, reseeded: 'r1' });
    const half = memberOf(from, { marker, seedBackup, storageEmpty: false });
    expect(lineOf(half)).to.equal('seed write-marker | wait:seeding');
  });
});

describe('a hand-over by stopping', () => {
  const exited = { container: { state: 'exited' as const } };
  const stopped = (intent: MemberIntent, stored: string | null): ObservedMember => {
    const base = runningOf(intent, { ...seeds, permit, storedRole: { upstreamUrl: stored } });
    return { ...base, container: { ...base.container, ...exited.container } };
  };
  it('brings the old leader back as a mirror although its storage says that it leads', () => {
    const mirror = stopped(mirrorIntent({ term: 4 }), null);
    const line = 'write-marker write-role start';
    const at = { ...mirror, marker: found({ term: 3 }) };
    expect(lineOf(at)).to.equal(line);
    // Also one that was promoted itself in the term that is over.
    expect(lineOf(at, { promotions: { '00.cortex': 3 } })).to.equal(line);
    expect(lineOf(at, { promotions: { '00.cortex': 5 } })).to.equal('- | wait:promoted');
  });
  it('that fails starts the old leader again in its old term, with a permit (I1)', () => {
    const leader = stopped(intentOf(), null);
    expect(lineOf(leader)).to.equal('start');
    expect(lineOf(leader, { promotions: { '00.cortex': 3 } })).to.equal('start');
    expect(lineOf({ ...leader, permit: { leftMs: 0, ageMs: 9 } })).to.equal('- | wait:no-permit');
    // Its role was written already, and it was promoted in this very term: it is written back.
    const turned = stopped(intentOf(), 'tcp://10.0.0.1:27492');
    expect(lineOf(turned, { promotions: { '00.cortex': 3 } })).to.equal('write-role start');
  });
});

describe('a mirror that can be repointed while it runs', () => {
  const abilities = { ...ABLE, repoints: true };
  const storedRole = { upstreamUrl: 'tcp://10.0.0.9:1' };
  const mirror = runningOf(mirrorIntent(), { abilities, storedRole });
  it('is, and restarted only when that fails again and again', () => {
    expect(lineOf(mirror)).to.equal('repoint');
    const failed = { cause: 'step' as const, failures: 3, leftMs: 0, failedStep: 'repoint' };
    expect(lineOf({ ...mirror, backoff: failed })).to.equal('stop write-role start');
  });
});

describe('members of a stack', () => {
  const spec = { ...intentOf().spec, kind: 'matrix-synapse' };
  const stack = { spec, mirrored: false, term: 1 };
  const upstream = { member: '00.matrix', url: 'http://127.0.0.1:9093' };
  it('start without a permit and without a role in their storages', () => {
    const start = 'create write-marker start';
    const worker = intentOf({ ...stack, role: 'worker', upstream });
    expect(lineOf(memberOf(worker))).to.equal(start);
    expect(lineOf(memberOf(intentOf(stack)))).to.equal(start);
    expect(lineOf(memberOf(worker, { storedRole: undefined }))).to.equal(start);
    expect(lineOf(runningOf(worker, { storedRole: undefined }))).to.equal('-');
  });
  it('wait for the files that they mount, and nothing is stopped for one', () => {
    const missingFiles = ['/srv/matrix/homeserver.yaml'];
    expect(lineOf(memberOf(intentOf(stack), { missingFiles }))).to.equal('- | wait:file-missing');
    const changed = { missingFiles, specDigest: 'other' };
    expect(lineOf(runningOf(intentOf(stack), changed))).to.equal('- | wait:file-missing');
  });
});

// ---- properties ------------------------------------------------------------------------------------------------

type Event =
  | { readonly kind: 'order'; readonly change: Partial<MemberIntent> }
  /** What is planned is carried out up to this part of it; then the agent dies, perhaps with its memory. */
  | { readonly kind: 'live'; readonly parts: number; readonly forgets: boolean };

const anyOrder = fc
  .record({
    run: fc.constantFrom('running' as const, 'retired' as const, 'stopped' as const),
    leads: fc.boolean(),
    newTerm: fc.boolean(),
    reseed: fc.constantFrom(undefined, 'r1', 'r2', 'r3'),
    wipe: fc.boolean(),
    backup: fc.constantFrom(undefined, 'b1'),
  })
  .map(({ run, leads, newTerm, reseed: id, wipe, backup }): Event => {
    const { role, upstream } = leads ? intentOf() : mirrorIntent();
    const order = id === undefined ? undefined : { id, wipe, backup };
    return { kind: 'order', change: { run, role, upstream, reseed: order, term: newTerm ? 1 : 0 } };
  });
const anyLife = fc
  .record({
    parts: fc.oneof(fc.integer({ min: 0, max: 14 }), fc.constant(Infinity)),
    forgets: fc.integer({ min: 0, max: 5 }).map((drawn) => drawn === 0),
  })
  .map((life): Event => ({ kind: 'live', ...life }));
const anyLast = fc.record({
  selfFilling: fc.boolean(),
  wipe: fc.boolean(),
  backup: fc.constantFrom(undefined, 'b1'),
});
const anyHistory = fc.array(fc.oneof(anyOrder, anyLife), { minLength: 1, maxLength: 14 });

function after(world: World, event: Event): World {
  if (event.kind === 'order') {
    const { intent } = world.member;
    const next = { ...intent, ...event.change, term: intent.term + (event.change.term ?? 0) };
    return { ...world, member: { ...world.member, intent: next } };
  }
  const lived = live(world, event.parts);
  if (!event.forgets) return lived;
  const { marker } = lived.member;
  const isMarked = marker.kind === 'found' && marker.marker.retired !== undefined;
  // Known to nobody any more: neither the storage nor the memory says it.
  const content = lived.content === 'retired' && !isMarked ? 'whole' : lived.content;
  return { ...lived, content, journal: emptyState };
}

const first = (selfFilling: boolean): World => {
  const abilities = { ...ABLE, seeds: !selfFilling };
  const marker = found({});
  return worldOf(
    intentOf(),
    { content: 'whole' },
    {
      permit,
      marker,
      abilities,
      storedRole: { upstreamUrl: null },
      seedBackup: { sizeBytes: 1 },
    },
  );
};

describe('whatever is ordered, and wherever an agent dies', () => {
  it('nothing starts from a retired or a half filled storage (I2)', () => {
    fc.assert(
      fc.property(anyHistory, fc.boolean(), (history, selfFilling) => {
        const end = history.reduce(after, first(selfFilling));
        expect(end.started).to.not.include('retired');
        expect(end.started).to.not.include('half');
      }),
      { numRuns: 800 },
    );
  });

  it('a reseed that is ordered in the end is done, by itself', () => {
    fc.assert(
      fc.property(anyHistory, anyLast, (history, { selfFilling, wipe, backup }) => {
        const before = history.reduce(after, first(selfFilling));
        const change = {
          ...mirrorIntent({ run: 'running' }),
          reseed: { id: 'last', wipe, backup },
        };
        let world = after(before, { kind: 'order', change: { ...change, term: 1 } });
        for (let round = 0; round < 5; round += 1) world = live(world);
        expect(stepsOf(world)).to.deep.equal([]);
        expect(world.member.container.state).to.equal('running');
        const { marker } = world.member;
        expect(marker.kind === 'found' && marker.marker).to.include({ reseeded: 'last' });
        expect(world.journal.fillings?.[STORAGE]?.reseeded).to.equal('last');
        expect(world.started.at(-1)).to.equal(
          selfFilling && backup === undefined ? 'nothing' : 'whole',
        );
      }),
      { numRuns: 250 },
    );
  });
});
