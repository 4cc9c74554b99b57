// What every engine owes to a service with a leader and mirrors: one list of obligations, run against each.
import { expect } from 'chai';
import { stat } from 'node:fs/promises';
import type { EngineFact } from '@leafward/shared/gen/domain.js';
import { LeafwardError, type ErrorCode } from '@leafward/shared/errors.js';
import type { Engine, EngineMember } from '@leafward/agent/engines/engine.js';
import { eventually } from './runtime.js';

/** Members of the tree: `leader`, `mirror` of it, `leaf` that mirrors the mirror. */
export type Place = 'leader' | 'mirror' | 'leaf';

/** What a service of this kind can, where kinds differ. */
export interface Differences {
  /** `by-stopping`: its leader must be down before another one leads. */
  readonly handsOver: 'gracefully' | 'by-stopping';
  /** A write at a mirror is passed on to the leader. */
  readonly writesThroughMirrors: boolean;
  /** Two positions of one history have two digests. */
  readonly digestsEntries: boolean;
  /** A backup fails when its member dies; else it is the command's own business. */
  readonly backupEndsWithMember: boolean;
}

export interface EngineSubject {
  readonly engine: Engine;
  member(place: Place): EngineMember;
  /** Under which its mirrors find it. */
  urlOf(place: Place): string;
  /** Returns when it answers. An empty mirror is seeded before where its kind wants that. */
  start(place: Place): Promise<void>;
  /** Cleanly, returns when it is gone. */
  stop(place: Place): Promise<void>;
  kill(place: Place): Promise<void>;
  /** Takes what a stopped member's storage holds away; its backups stay. */
  empty(place: Place): Promise<void>;
  /** SIGSTOP: it holds its sockets and does nothing. Undone by close(). */
  hang(place: Place): void;
  /** Writes through this member; returns when the leader has acknowledged it. */
  write(place: Place, value: string): Promise<void>;
  /** All values that this member holds. */
  values(place: Place): Promise<readonly string[]>;
  /** Whether a backup's directory is there, where that is not one of this machine. */
  has?(directory: string): Promise<boolean>;
  close(): Promise<void>;
}

export interface SubjectOptions {
  /** How long a live backup takes at least. */
  readonly backupMs: number;
}

/** A new tree of stopped, empty members. */
export type MakeSubject = (options: SubjectOptions) => Promise<EngineSubject>;

/** A database seeds, recovers and hands over in seconds on a busy machine. */
const PATIENCE_MS = 30_000;
/** A command is given whole seconds, and gives up after half of them. */
const HUNG_MS = 4_000;
/** A log may grow by itself meanwhile, but not so far. */
const BEYOND = 1_000_000_000;
const ALL: readonly Place[] = ['leader', 'mirror', 'leaf'];

function within(ms = PATIENCE_MS): AbortSignal {
  return AbortSignal.timeout(ms);
}

async function codeOf(attempt: Promise<unknown>): Promise<ErrorCode | 'no error'> {
  try {
    await attempt;
    return 'no error';
  } catch (error) {
    if (error instanceof LeafwardError) return error.code;
    throw error;
  }
}

async function startAll(subject: EngineSubject): Promise<void> {
  for (const place of ALL) await subject.start(place);
}

async function untilCaughtUp(subject: EngineSubject, upstream: Place = 'leader'): Promise<void> {
  const { engine } = subject;
  const wanted = (await engine.observe(subject.member(upstream), within())).position ?? 0;
  for (const place of ALL) {
    await eventually(
      () => engine.observe(subject.member(place), within()),
      (fact) => fact.ready === true && (fact.position ?? -1) >= wanted,
      `${place} catches up`,
    );
  }
}

/** A log may grow by itself now and then: between two such moments all are at one position. */
async function untilOfOnePosition(subject: EngineSubject): Promise<void> {
  await eventually(
    async () => {
      const facts = await Promise.all(ALL.map((place) => observed(subject, place)));
      return facts.map((fact) => fact.position);
    },
    ([first, ...others]) => others.every((position) => position === first),
    'all are at one position',
  );
}

async function isThere(subject: EngineSubject, directory: string): Promise<boolean> {
  if (subject.has !== undefined) return subject.has(directory);
  return stat(directory).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

function observed(subject: EngineSubject, place: Place): Promise<EngineFact> {
  return subject.engine.observe(subject.member(place), within());
}

/** Writes one value after the other; returns when some are acknowledged. */
async function startWriting(
  subject: EngineSubject,
  placeOf: (index: number) => Place,
): Promise<{ readonly acknowledged: readonly string[]; readonly end: () => Promise<void> }> {
  const acknowledged: string[] = [];
  let writing = true;
  const writer = (async () => {
    for (let index = 0; writing; index++) {
      const value = `value ${index}`;
      const isWritten = await subject.write(placeOf(index), value).then(
        () => true,
        () => false,
      );
      if (isWritten) acknowledged.push(value);
    }
  })();
  await eventually(
    () => acknowledged.length,
    (count) => count > 20,
    'the writer writes',
  );
  const end = async (): Promise<void> => {
    writing = false;
    await writer;
  };
  return { acknowledged, end };
}

/** Leaves out what a kind does not promise. */
function onlyIf(promised: boolean): (title: string, body: () => Promise<void>) => void {
  return (title, body) => void (promised && it(title, body));
}

export function engineObligations(name: string, kind: Differences, makeSubject: MakeSubject): void {
  describe(`engine ${name}`, function () {
    this.timeout(120_000);
    let subject: EngineSubject;
    const promote = (place: Place, graceful: boolean): Promise<void> =>
      subject.engine.promote(subject.member(place), { graceful, timeoutMs: PATIENCE_MS }, within());
    const probe = async (place: Place, offset: number): Promise<string> =>
      (await subject.engine.probeHistory(subject.member(place), offset, within())).sha256;
    beforeEach(async () => {
      subject = await makeSubject({ backupMs: 50 });
    });
    afterEach(() => subject.close());

    describe('observe', () => {
      it('says down for a member that was never started, was stopped, and up in between', async () => {
        expect((await observed(subject, 'leader')).answered).to.equal(false);
        await subject.start('leader');
        expect((await observed(subject, 'leader')).answered).to.equal(true);
        await subject.stop('leader');
        const down = await observed(subject, 'leader');
        expect(down.answered).to.equal(false);
        expect(down.error).to.be.a('string').that.is.not.empty;
      });

      it('tells leader from mirrors, and all of one identity and position', async () => {
        await startAll(subject);
        await subject.write('leader', 'one');
        await untilCaughtUp(subject);
        const facts = await Promise.all(ALL.map((place) => observed(subject, place)));
        expect(facts.map((fact) => fact.active)).to.deep.equal([true, false, false]);
        expect(new Set(facts.map((fact) => fact.iden)).size).to.equal(1);
        await untilOfOnePosition(subject);
        expect(facts.map((fact) => fact.upstreamUrl)).to.deep.equal([
          undefined,
          subject.urlOf('leader'),
          subject.urlOf('mirror'),
        ]);
      });

      it('sees a restart by another run, on the link that broke meanwhile', async () => {
        await subject.start('leader');
        const before = await observed(subject, 'leader');
        await subject.kill('leader');
        await subject.start('leader');
        const after = await observed(subject, 'leader');
        expect(after.answered, after.error).to.equal(true);
        expect(after.runId).to.not.equal(before.runId);
      });

      it('says down in the time it was given when a member hangs', async () => {
        await subject.start('leader');
        await observed(subject, 'leader');
        subject.hang('leader');
        const fact = await subject.engine.observe(subject.member('leader'), within(300));
        expect(fact.answered).to.equal(false);
      });
    });

    describe('backup', () => {
      it('returns a directory that is there, at the position it began with', async () => {
        await subject.start('leader');
        await subject.write('leader', 'one');
        const before = await observed(subject, 'leader');
        const backup = await subject.engine.backup(
          subject.member('leader'),
          { name: 'first', onProgress: () => undefined },
          within(),
        );
        expect(await isThere(subject, backup.path)).to.equal(true);
        const after = await observed(subject, 'leader');
        expect(backup.position).to.be.within(before.position ?? NaN, after.position ?? NaN);
      });

      it('can be taken of a mirror', async () => {
        await startAll(subject);
        await untilCaughtUp(subject);
        const options = { name: 'of-a-mirror', onProgress: () => undefined };
        const backup = await subject.engine.backup(subject.member('mirror'), options, within());
        expect(await isThere(subject, backup.path)).to.equal(true);
      });

      it('refuses a second one while one runs, and a name that is taken', async () => {
        await subject.close();
        subject = await makeSubject({ backupMs: 1_500 });
        await subject.start('leader');
        const member = subject.member('leader');
        const options = (backupName: string) => ({ name: backupName, onProgress: () => undefined });
        let begun = (): void => undefined;
        const running = new Promise<void>((resolve) => (begun = resolve));
        const first = subject.engine.backup(member, { name: 'first', onProgress: begun }, within());
        await running;
        const second = await eventually(
          () => codeOf(subject.engine.backup(member, options('second'), within(1_000))),
          (code) => code === 'already-exists',
          'the second is refused',
        );
        expect(second).to.equal('already-exists');
        const { path } = await first;
        // Its agent may take away what is left of one only when this says so; undefined: it never goes on alone.
        const goesOn = await subject.engine.isBackingUp?.(member, within());
        expect(goesOn).to.be.oneOf([false, undefined]);
        expect(await codeOf(subject.engine.backup(member, options('first'), within()))).to.equal(
          'already-exists',
        );
        expect(await isThere(subject, path)).to.equal(true);
      });

      onlyIf(kind.backupEndsWithMember)(
        'leaves no half backup when the member dies midway',
        async () => {
          await subject.close();
          subject = await makeSubject({ backupMs: 60_000 });
          await subject.start('leader');
          const member = subject.member('leader');
          const options = { name: 'half', onProgress: () => undefined };
          const backup = codeOf(subject.engine.backup(member, options, within(30_000)));
          const directory = `${member.spec.backupDirectory ?? `${member.spec.storage}/backups`}/half`;
          const hasBegun = (): Promise<boolean> => isThere(subject, directory);
          await eventually(hasBegun, (there) => there, 'it has begun');
          await subject.kill('leader');
          await subject.start('leader');
          expect(await backup).to.equal('failed');
          expect(await hasBegun()).to.equal(false);
        },
      );

      it('knows the room that one more needs', async () => {
        await subject.start('leader');
        const room = await subject.engine.backupRoom(subject.member('leader'), within());
        expect(room.needBytes).to.be.greaterThan(0);
        expect(room.freeBytes).to.be.greaterThan(0);
        expect(room.rule).to.match(/\d/);
      });

      it('refuses a name that leads elsewhere', async () => {
        await subject.start('leader');
        const options = { name: '../elsewhere', onProgress: () => undefined };
        const attempt = subject.engine.backup(subject.member('leader'), options, within());
        expect(await codeOf(attempt)).to.equal('invalid');
      });
    });

    describe('promote', () => {
      onlyIf(kind.handsOver === 'gracefully')(
        'hands over gracefully while a writer goes on, and loses nothing acknowledged',
        async () => {
          await startAll(subject);
          await untilCaughtUp(subject);
          const { acknowledged, end } = await startWriting(subject, (index) =>
            kind.writesThroughMirrors && index % 2 === 1 ? 'mirror' : 'leader',
          );
          await promote('mirror', true);
          const after = acknowledged.length;
          await eventually(
            () => acknowledged.length,
            (count) => count > after + 20,
            'the writer goes on',
          );
          await end();
          const facts = [await observed(subject, 'leader'), await observed(subject, 'mirror')];
          expect(facts.map((fact) => fact.active)).to.deep.equal([false, true]);
          expect(await subject.values('mirror')).to.include.members(acknowledged);
          expect(await subject.engine.readStoredRole(subject.member('leader'))).to.deep.equal({
            upstreamUrl: subject.urlOf('mirror'),
          });
          expect(await subject.engine.readStoredRole(subject.member('mirror'))).to.deep.equal({
            upstreamUrl: null,
          });
        },
      );

      onlyIf(kind.handsOver === 'by-stopping')(
        'hands over by stopping while a writer goes on, and loses nothing acknowledged',
        async () => {
          const { engine } = subject;
          await startAll(subject);
          await untilCaughtUp(subject);
          const { acknowledged, end } = await startWriting(subject, () => 'leader');
          const leader = subject.member('leader');
          const stepped = await engine.stepDown(leader, { timeoutMs: 5_000 }, within());
          await subject.stop('leader');
          await end();
          const last = stepped?.position ?? (await engine.storedPosition(leader, within()));
          expect(last).to.be.a('number');
          await eventually(
            () => observed(subject, 'mirror'),
            ({ position = -1 }) => position >= (last ?? Infinity),
            'the mirror has all of it',
          );
          await promote('mirror', false);
          expect(await subject.values('mirror')).to.include.members(acknowledged);
          await engine.writeRole(leader, { role: 'mirror', upstreamUrl: subject.urlOf('mirror') });
          await subject.start('leader');
          await subject.write('mirror', 'after');
          await eventually(
            () => observed(subject, 'leader'),
            ({ active, uplink }) => active === false && uplink === true,
            'the old leader mirrors',
          );
          await eventually(
            () => subject.values('leader'),
            (values) => values.includes('after'),
            'the old leader follows',
          );
        },
      );

      onlyIf(kind.handsOver === 'gracefully')(
        'refuses to hand over to the mirror of a mirror: two would lead',
        async () => {
          await startAll(subject);
          await untilCaughtUp(subject);
          expect(await codeOf(promote('leaf', true))).to.be.oneOf(['refused', 'failed']);
          const facts = await Promise.all(ALL.map((place) => observed(subject, place)));
          expect(facts.map((fact) => fact.active)).to.deep.equal([true, false, false]);
        },
      );

      onlyIf(kind.handsOver === 'gracefully')(
        'refuses to hand over from an upstream that does not answer',
        async () => {
          await startAll(subject);
          await untilCaughtUp(subject);
          await subject.kill('leader');
          expect(await codeOf(promote('mirror', true))).to.equal('refused');
        },
      );

      it('makes a mirror lead by force when its upstream is dead', async () => {
        await startAll(subject);
        await subject.write('leader', 'before');
        await untilCaughtUp(subject);
        await subject.kill('leader');
        await promote('mirror', false);
        expect((await observed(subject, 'mirror')).active).to.equal(true);
        await subject.write('mirror', 'after');
        expect(await subject.values('mirror')).to.include.members(['before', 'after']);
      });

      it('does nothing to a member that leads already', async () => {
        await subject.start('leader');
        await promote('leader', false);
        if (kind.handsOver === 'gracefully') await promote('leader', true);
        expect((await observed(subject, 'leader')).active).to.equal(true);
      });
    });

    describe('history', () => {
      it('is the same on all members of a healthy tree', async () => {
        await startAll(subject);
        for (const value of ['one', 'two', 'three']) await subject.write('leader', value);
        await untilCaughtUp(subject);
        const last = ((await observed(subject, 'leader')).position ?? 0) - 1;
        for (const offset of [last - 1, last]) {
          const digests = await Promise.all(ALL.map((place) => probe(place, offset)));
          expect(new Set(digests).size).to.equal(1);
        }
        if (kind.digestsEntries)
          expect(await probe('leader', last)).to.not.equal(await probe('leader', last - 1));
      });

      it('differs from a split on, at equal positions, and not before it', async () => {
        await startAll(subject);
        await subject.write('leader', 'common');
        await untilCaughtUp(subject);
        const before = (await observed(subject, 'mirror')).position ?? 0;
        await promote('mirror', false);
        await subject.write('leader', 'old leader alone');
        await subject.write('mirror', 'new leader alone');
        const ends = await Promise.all([observed(subject, 'leader'), observed(subject, 'mirror')]);
        const common = Math.min(...ends.map((fact) => fact.position ?? 0)) - 1;
        expect(common).to.be.at.least(before);
        expect(await probe('leader', common)).to.not.equal(await probe('mirror', common));
        expect(await probe('leader', before - 1)).to.equal(await probe('mirror', before - 1));
      });

      it('is not found beyond the end', async () => {
        await subject.start('leader');
        const { position } = await observed(subject, 'leader');
        expect(await codeOf(probe('leader', (position ?? 0) + BEYOND))).to.equal('not-found');
      });
    });

    describe('a witness', () => {
      const ask = (timeoutMs = PATIENCE_MS): ReturnType<NonNullable<Engine['probeLeader']>> => {
        const { engine } = subject;
        if (engine.probeLeader === undefined) throw new Error(`${engine.kind} cannot ask a leader`);
        const url = subject.urlOf('leader');
        return engine.probeLeader(subject.member('mirror'), { url, timeoutMs }, within());
      };

      it('is answered by a leader that lives, and not by one that is dead', async () => {
        await subject.start('leader');
        await subject.start('mirror');
        const living = await ask();
        expect(living.answered, living.said).to.equal(true);
        expect(living.said).to.be.a('string').that.is.not.empty;
        expect(living.tookMs).to.be.at.least(0);
        await subject.kill('leader');
        const dead = await ask();
        expect(dead.answered, dead.said).to.equal(false);
        expect(dead.said).to.be.a('string').that.is.not.empty;
      });

      it('is not answered by a leader that hangs, whose host accepts connections all the same', async () => {
        await subject.start('leader');
        await subject.start('mirror');
        subject.hang('leader');
        expect(await ask(HUNG_MS)).to.include({ answered: false });
      });
    });

    describe('role in the storage', () => {
      it('is read back as it was written, twice', async () => {
        await subject.start('leader');
        await subject.stop('leader');
        const member = subject.member('leader');
        const upstreamUrl = subject.urlOf('mirror');
        for (let time = 0; time < 2; time++) {
          await subject.engine.writeRole(member, { role: 'mirror', upstreamUrl });
          expect(await subject.engine.readStoredRole(member)).to.deep.equal({ upstreamUrl });
        }
        await subject.engine.writeRole(member, { role: 'leader' });
        expect(await subject.engine.readStoredRole(member)).to.deep.equal({ upstreamUrl: null });
      });

      it('makes a retired leader harmless when it is started by hand', async () => {
        await startAll(subject);
        await untilCaughtUp(subject);
        await subject.kill('leader');
        await promote('mirror', false);
        for (const url of [subject.urlOf('mirror'), undefined]) {
          await subject.engine.writeRetired(subject.member('leader'), url);
          await subject.start('leader');
          expect((await observed(subject, 'leader')).active).to.equal(false);
          await subject.stop('leader');
        }
        expect((await observed(subject, 'mirror')).active).to.equal(true);
      });
    });

    describe('what else it says that it can', () => {
      it('is known without asking the service', () => {
        const able = subject.engine.abilities(subject.member('leader'));
        expect(Object.values(able).every((one) => typeof one === 'boolean')).to.equal(true);
      });

      it('goes back to a backup, leads with it, and has nothing that came later', async () => {
        const { engine } = subject;
        const member = subject.member('leader');
        const onProgress = (): void => undefined;
        await subject.start('leader');
        await subject.write('leader', 'before');
        const { path } = await engine.backup(member, { name: 'kept', onProgress }, within());
        await subject.write('leader', 'later');
        await subject.stop('leader');
        await subject.empty('leader');
        await engine.restore(member, { backupPath: path, onProgress }, within());
        expect(await engine.readStoredRole(member)).to.deep.equal({ upstreamUrl: null });
        await subject.start('leader');
        expect((await observed(subject, 'leader')).active).to.equal(true);
        expect(await subject.values('leader')).to.deep.equal(['before']);
        expect(await isThere(subject, path)).to.equal(true);
      });

      it('points a running mirror elsewhere, durably', async () => {
        await startAll(subject);
        await subject.write('leader', 'one');
        await untilCaughtUp(subject);
        const member = subject.member('leaf');
        if (!subject.engine.abilities(member).repoints) return;
        await subject.engine.repoint(member, subject.urlOf('leader'), within());
        const pointsThere = (): Promise<unknown> =>
          eventually(
            () => observed(subject, 'leaf'),
            ({ upstreamUrl, uplink }) => upstreamUrl === subject.urlOf('leader') && uplink === true,
            'it mirrors the leader',
          );
        await pointsThere();
        await subject.stop('mirror');
        await subject.write('leader', 'past the mirror');
        await eventually(
          () => subject.values('leaf'),
          (values) => values.includes('past the mirror'),
          'it follows the leader',
        );
        await subject.stop('leaf');
        await subject.start('leaf');
        await pointsThere();
      });

      it('tells the end of a stopped log, behind nothing that was seen', async () => {
        const member = subject.member('leader');
        if (!subject.engine.abilities(member).storesPosition) return;
        await subject.start('leader');
        await subject.write('leader', 'one');
        const { position = NaN } = await observed(subject, 'leader');
        await subject.stop('leader');
        expect(await subject.engine.storedPosition(member, within())).to.be.at.least(position);
      });

      it('shows what each of its commands answers, if it has any', async () => {
        await subject.start('leader');
        const answers = await subject.engine.test(subject.member('leader'), within());
        const bad = answers.filter(({ ok }) => !ok);
        expect(bad).to.deep.equal([]);
      });
    });
  });
}
