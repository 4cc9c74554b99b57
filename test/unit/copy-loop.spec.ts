// Copies that an agent makes alone: which backup is next, what is done about a failure, and what the checks say of it.
import { expect } from 'chai';
import { backupCopies } from '@leafward/agent/checks/backup-copies.js';
import type { CheckContext, OffsiteFact, ServiceCopies } from '@leafward/agent/checks/check.js';
import { restic } from '@leafward/agent/checks/restic.js';
import { chooseCopy, startCopyLoop } from '@leafward/agent/offsite/copy-loop.js';
import type { Offsite } from '@leafward/agent/offsite/offsite.js';
import { systemClock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Backup, MemberIntent } from '@leafward/shared/gen/domain.js';
import { createLogger } from '@leafward/shared/log.js';
import { eventually } from '../conformance/runtime.js';

const REPOSITORY = '/srv/copies';
const signal = new AbortController().signal;

const backup = (name: string, changes: Partial<Backup> = {}): Backup => ({
  name,
  service: 'cortex',
  member: '00.cortex',
  host: 'alpha',
  path: `/srv/backups/${name}`,
  sizeBytes: 1,
  files: 1,
  term: 1,
  startedAt: 0,
  finishedAt: Number(name.slice(1)),
  manifestSha256: 'c'.repeat(64),
  ...changes,
});
const intent = (service = 'cortex', each = true): MemberIntent =>
  ({
    member: `00.${service}`,
    service,
    run: 'running',
    backupDuty: { offsite: { repository: REPOSITORY, environment: {}, each } },
  }) as unknown as MemberIntent;
const copyIn = (repository: string): Backup['copies'] => ({
  copies: [{ repository, snapshot: 's', at: 1, tookMs: 1, addedBytes: 1 }],
});
const always = (): boolean => true;

describe('the next copy', () => {
  it('is the newest without one in that repository', () => {
    const backups = [
      backup('b1'),
      backup('b3', { copies: copyIn('/srv/other') }),
      backup('b4', { copies: copyIn(REPOSITORY) }),
      backup('b2'),
    ];
    expect(chooseCopy(backups, [intent()], always)?.backup.name).to.equal('b3');
  });

  it('is none of what is damaged, not asked for, not due, or of another service', () => {
    const verification = { at: 1, ok: false, files: 1, bytes: 1, tookMs: 1, problems: ['x'] };
    expect(chooseCopy([backup('b1', { verification })], [intent()], always)).to.equal(undefined);
    expect(chooseCopy([backup('b1')], [intent('cortex', false)], always)).to.equal(undefined);
    expect(chooseCopy([backup('b1')], [intent()], () => false)).to.equal(undefined);
    expect(chooseCopy([backup('b1')], [intent('axon')], always)).to.equal(undefined);
  });
});

describe('the loop of copies', function () {
  this.timeout(60_000);

  it('waits for a backup, tries again what failed, and tells of it meanwhile', async () => {
    let isBackingUp = true;
    let isFailing = true;
    let backups: readonly Backup[] = [backup('b1'), backup('b2')];
    const tried: string[] = [];
    const offsite = {
      version: () => Promise.resolve('0.14.0'),
      takenOut: () => Promise.resolve(new Set<string>()),
      copy: (one: Backup) => {
        expect(isBackingUp).to.equal(false);
        tried.push(one.name);
        if (isFailing)
          return Promise.reject(new LeafwardError('not-found', 'the repository is gone'));
        const copied = { ...one, copies: copyIn(REPOSITORY) };
        backups = backups.map((known) => (known.name === one.name ? copied : known));
        return Promise.resolve(copied);
      },
    } as unknown as Offsite;
    const loop = startCopyLoop({
      clock: systemClock,
      log: createLogger('test', 'silent'),
      offsite,
      backups: () => backups,
      members: () => [intent()],
      isBackingUp: () => isBackingUp,
      onChange: () => undefined,
      everyMs: 2,
      backoff: { minMs: 5, maxMs: 10 },
    });
    const failing = async (): Promise<ServiceCopies['failure']> =>
      (await loop.fact(signal))?.services[0]?.failure;
    try {
      expect(await failing()).to.equal(undefined);
      isBackingUp = false;
      await eventually(failing, (found) => found !== undefined, 'it fails', 30_000);
      expect(await failing()).to.include({ code: 'not-found' });
      await eventually(
        () => tried.length,
        (count) => count > 2,
        'it is tried again',
        30_000,
      );
      expect(new Set(tried)).to.deep.equal(new Set(['b2']));
      isFailing = false;
      const isDone = (): boolean => backups.every(({ copies }) => copies !== undefined);
      await eventually(isDone, (done) => done, 'all are copied', 30_000);
      expect(tried.slice(-2)).to.deep.equal(['b2', 'b1']);
      expect((await loop.fact(signal))?.services[0]).to.include({ copies: 2, waiting: 0 });
    } finally {
      await loop.stop();
    }
  });
});

describe('the rules of a repository', function () {
  this.timeout(60_000);

  it('are carried out once there is a copy, and not before', async () => {
    let backups: readonly Backup[] = [];
    const kept: string[] = [];
    const offsite = {
      version: () => Promise.resolve('0.14.0'),
      takenOut: () => Promise.resolve(new Set<string>()),
      keptAt: ({ service }: MemberIntent) =>
        Promise.resolve(kept.includes(service) ? systemClock.now() : undefined),
      prune: (_: unknown, { service }: MemberIntent) => {
        kept.push(service);
        return Promise.resolve({ message: 'kept', verdicts: { verdicts: [] } });
      },
    } as unknown as Offsite;
    const ruled = (service: string): MemberIntent => {
      const base = intent(service, false);
      const rules = { ...base.backupDuty?.offsite, keep: { last: 1 } };
      return { ...base, backupDuty: { ...base.backupDuty, offsite: rules } } as MemberIntent;
    };
    let passes = 0;
    const loop = startCopyLoop({
      clock: systemClock,
      log: createLogger('test', 'silent'),
      offsite,
      backups: () => backups,
      members: () => [ruled('cortex'), ruled('axon')],
      isBackingUp: () => {
        passes += 1;
        return false;
      },
      onChange: () => undefined,
      everyMs: 2,
    });
    const passed = (count: number): Promise<unknown> =>
      eventually(
        () => passes,
        (now) => now > count,
        'it looks',
        30_000,
      );
    try {
      await passed(3);
      expect(kept).to.deep.equal([]);
      backups = [backup('b1', { copies: copyIn(REPOSITORY) })];
      await eventually(
        () => kept.length,
        (count) => count > 0,
        'the rules are carried out',
        30_000,
      );
      await passed(passes + 3);
      expect(kept).to.deep.equal(['cortex']);
    } finally {
      await loop.stop();
    }
  });
});

describe('the checks of copies', () => {
  const DAY_MS = 86_400_000;
  const service: ServiceCopies = {
    service: 'cortex',
    each: true,
    copies: 3,
    waiting: 1,
    damaged: [],
    failure: undefined,
  };
  const context = (offsite: OffsiteFact | undefined): CheckContext =>
    ({ offsite, now: 2 * DAY_MS }) as unknown as CheckContext;
  const judge = async (changes: Partial<ServiceCopies>) => {
    const fact = { restic: { version: '0.14.0' }, services: [{ ...service, ...changes }] };
    const [found] = await backupCopies.run(context(fact), signal);
    return found;
  };

  it('say nothing where no backup goes off the host', async () => {
    expect(await restic.run(context(undefined), signal)).to.deep.equal([]);
    expect(await backupCopies.run(context(undefined), signal)).to.deep.equal([]);
  });

  it('want restic 0.14 or newer, with the command that installs it', async () => {
    const severityOf = async (fact: OffsiteFact['restic']) => {
      const [found] = await restic.run(context({ restic: fact, services: [] }), signal);
      return { severity: found?.severity, fix: found?.fix ?? '' };
    };
    expect((await severityOf({ version: '0.14.0' })).severity).to.equal('ok');
    for (const fact of [{ version: '0.12.1' }, { error: 'not installed' }]) {
      const { severity, fix } = await severityOf(fact);
      expect(severity).to.equal('critical');
      expect(fix).to.include('apt-get install restic');
    }
  });

  it('warn of what fails, and call critical what an operator must end', async () => {
    const failed = (code: string, since: number) => ({ failure: { since, code, error: 'x' } });
    expect((await judge({}))?.severity).to.equal('ok');
    expect((await judge(failed('unavailable', 2 * DAY_MS - 1)))?.severity).to.equal('warning');
    expect((await judge(failed('unavailable', DAY_MS)))?.severity).to.equal('critical');
    expect((await judge(failed('unauthenticated', 2 * DAY_MS - 1)))?.severity).to.equal('critical');
    const damaged = await judge({ damaged: ['the repository is damaged'] });
    expect(damaged?.severity).to.equal('critical');
    expect(damaged?.fix).to.include('leafward backup check-copies cortex');
  });
});
