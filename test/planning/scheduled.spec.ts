// Backups that agents begin by themselves, as the controller sees them: whom they keep waiting (I10), whom it tells of
// them, and what is said of a duty that goes wrong.
import { expect } from 'chai';
import { afterReport, unknownHost } from '@leafward/controller/live-hosts.js';
import { dutyRows, DUTY_FAMILIES } from '@leafward/controller/metrics/duty-families.js';
import { advance, buildStatus, explain, planGoal } from '@leafward/controller/planning/index.js';
import { objectToCompany } from '@leafward/controller/planning/scheduled.js';
import { changesOfReport } from '@leafward/controller/report-changes.js';
import { wordsFor } from '@leafward/controller/service-words.js';
import type { HostSchedule, Snapshot } from '@leafward/controller/snapshot.js';
import type { DutyFact, Outcome, Report } from '@leafward/shared/gen/domain.js';
import { deployed, backupOf, imageOf, stacked, type World } from './model.js';

const SCHEDULED = { extra: "    backup: { schedule: '0 2 * * *' }" };
const DUE = Date.parse('2001-09-09T02:00:00Z');

const running = (member: string, startedAt: number): Outcome => ({
  requestId: `scheduled-${member}-${DUE}`,
  state: 'running',
  startedAt,
  progress: 'hashing',
  changes: [],
});
const factOf = (member: string, more: Partial<DutyFact> = {}): DutyFact => ({
  member,
  service: 'cortex',
  failures: 0,
  ...more,
});
const scheduling = (
  snapshot: Snapshot,
  schedules: Readonly<Record<string, HostSchedule>>,
): Snapshot => {
  const hosts = Object.entries(snapshot.hosts).map(([name, host]) => [
    name,
    { ...host, schedule: schedules[name] },
  ]);
  return { ...snapshot, hosts: Object.fromEntries(hosts) as Snapshot['hosts'] };
};
const backingUp = (world: World): Snapshot =>
  scheduling(world.snapshot(), {
    charlie: { duties: [], running: [running('02.cortex', world.now - 5000)] },
  });
const updateOf = (snapshot: Snapshot) => {
  const image = 'cortex:2.114.0';
  const goal = { kind: 'update', service: 'cortex', image, resolved: imageOf(image) } as const;
  return planGoal(snapshot, goal, { [image]: imageOf(image) });
};

describe('a backup that an agent has begun by itself', () => {
  it('refuses plans that it excludes, with a code, and no failover', () => {
    const world = deployed(SCHEDULED);
    const snapshot = backingUp(world);
    expect(updateOf(world.snapshot()).refusals).to.deep.equal([]);
    expect(updateOf(snapshot).refusals.map(({ code, subject }) => [code, subject])).to.deep.equal([
      ['scheduled-backup', '02.cortex'],
    ]);
    const codesOf = (goal: Parameters<typeof planGoal>[1]): readonly string[] =>
      planGoal(snapshot, goal, {}).refusals.map(({ code }) => code);
    const service = 'cortex';
    expect(codesOf({ kind: 'backup', service, name: 'b2' })).to.include('scheduled-backup');
    expect(codesOf({ kind: 'promote', service, to: '01.cortex' })).to.include('scheduled-backup');
    expect(codesOf({ kind: 'failover', service })).to.not.include('scheduled-backup');
  });

  it('of a host that is silent keeps nobody waiting', () => {
    const snapshot = backingUp(deployed(SCHEDULED));
    const { charlie } = snapshot.hosts;
    if (charlie === undefined) throw new Error('no host charlie');
    const hosts = { ...snapshot.hosts, charlie: { ...charlie, connected: false } };
    expect(objectToCompany({ ...snapshot, hosts }, 'cortex')).to.deep.equal([]);
  });

  it('is waited for by a move that was about to begin, for as long as a backup takes', () => {
    const world = deployed(SCHEDULED);
    const { id } = world.begin(updateOf(world.snapshot()));
    const before = world.operation(id);
    if (before === undefined) throw new Error('no operation');
    const { operation, effects } = advance(before, backingUp(world));
    expect(effects).to.deep.equal([]);
    const [{ wait } = {}] = operation.progress;
    expect(wait?.code).to.equal('scheduled-backup');
    expect((wait?.deadlineAt ?? 0) - world.now).to.equal(6 * 3_600_000);
    expect(advance(operation, world.snapshot()).effects).to.not.deep.equal([]);
  });

  it('is seen in a report, is gone with its end, and its end needs no request', () => {
    const report = (outcomes: readonly Outcome[]): Report => ({
      sequence: 1,
      sentAt: 1,
      generation: 1,
      members: [],
      outcomes,
      refusedOrders: 0,
    });
    const duties = { duties: [factOf('02.cortex')] };
    const begun = report([running('02.cortex', 1), { ...running('x', 1), requestId: 'ask-1' }]);
    const during = afterReport(unknownHost('charlie'), { ...begun, duties }, 2);
    expect(during.schedule?.running).to.have.length(1);
    const ended = report([{ ...running('02.cortex', 1), state: 'succeeded', finishedAt: 2 }]);
    const after = afterReport(during, ended, 3);
    expect(after.schedule).to.deep.equal({ duties: duties.duties, running: [] });
    expect(changesOfReport(deployed(SCHEDULED).snapshot(), 'charlie', ended)).to.deep.equal([]);
  });
});

describe('what agents are told of services', () => {
  const told = (snapshot: Snapshot, host: string) =>
    wordsFor(
      {
        intent: (name) => snapshot.hosts[name]?.intent,
        services: () => snapshot.services,
        operations: () => snapshot.operations,
        backups: snapshot.backups,
        host: (name) => ({
          ...unknownHost(name),
          session: snapshot.hosts[name]?.connected === true ? 1 : undefined,
          schedule: snapshot.hosts[name]?.schedule,
        }),
      },
      host,
    );

  it('is nothing where nobody has a duty', () => {
    expect(told(deployed().snapshot(), 'alpha')).to.equal(undefined);
  });

  it('is when the newest backup began, also one that still runs elsewhere, and what operation goes on', () => {
    const world = deployed(SCHEDULED);
    const newest = world.backups[0]?.startedAt;
    const word = { service: 'cortex', databaseBackup: undefined };
    expect(told(world.snapshot(), 'alpha')?.services).to.deep.equal([
      { ...word, newestBackupAt: newest, operation: undefined },
    ]);
    expect(told(backingUp(world), 'alpha')?.services[0]?.newestBackupAt).to.equal(world.now - 5000);
    const { id } = world.begin(updateOf(world.snapshot()));
    expect(told(world.snapshot(), 'alpha')?.services[0]?.operation).to.equal(id);
  });

  it('names the newest backup of a stack’s database', () => {
    const world = stacked({ extra: "    backup: { schedule: '0 3 * * *' }" });
    const { chat } = world.services;
    if (chat === undefined) throw new Error('no chat');
    const members = chat.declaration.members.map((member) => ({
      ...member,
      engineOptions: { databaseService: 'base' },
    }));
    const declaration = { ...chat.declaration, members };
    const base = {
      ...world.snapshot(),
      services: { chat: { ...chat, declaration } },
      backups: [backupOf('00.base', 'base', 'alpha', 5)],
    };
    expect(told(base, 'alpha')?.services).to.deep.equal([
      {
        service: 'chat',
        newestBackupAt: undefined,
        operation: undefined,
        databaseBackup: 'base/b1',
      },
    ]);
  });
});

describe('how duties go', () => {
  const problem = 'the backup that was due at 2001-09-09T02:00:00.000Z failed 3 times: full';
  const world = deployed(SCHEDULED);
  const due = world.now - 1000;
  const schedules = (more: Partial<DutyFact>) => ({
    delta: {
      duties: [factOf('03.cortex', { dueAt: due, nextAt: world.now + 60_000, ...more })],
      running: [],
    },
    bravo: {
      duties: [factOf('01.cortex', { dueAt: due, code: 'late', problem: 'late' })],
      running: [],
    },
  });
  const failed = scheduling(world.snapshot(), schedules({ code: 'failed', problem, failures: 2 }));
  const viewOf = (snapshot: Snapshot) => buildStatus(snapshot).services[0];

  it('is shown by member in the order in which they are preferred, the leader last', () => {
    const duties = viewOf(failed)?.duties?.duties ?? [];
    expect(duties.map(({ duty, rank, state }) => [duty.member, rank, state])).to.deep.equal([
      ['03.cortex', 0, 'failed'],
      ['01.cortex', 1, 'late'],
      ['02.cortex', 2, 'waiting'],
      ['00.cortex', 4, 'waiting'],
    ]);
    expect(viewOf(deployed().snapshot())?.duties).to.equal(undefined);
  });

  it('is a problem of the service, once and the worst, until anybody has backed up', () => {
    expect(viewOf(failed)?.problems).to.deep.equal([`${problem} (03.cortex on delta)`]);
    expect(buildStatus(failed).problems).to.include(`cortex: ${problem} (03.cortex on delta)`);
    const newer = backupOf('02.cortex', 'cortex', 'charlie', world.now + 1000);
    expect(viewOf({ ...failed, backups: [newer] })?.problems).to.deep.equal([]);
  });

  it('is explained', () => {
    const [own] = explain(failed, 'cortex');
    const facts = Object.fromEntries((own?.facts ?? []).map(({ name, value }) => [name, value]));
    expect(facts).to.include({
      'backups of 03.cortex by schedule': 'failed',
      'next backup of 03.cortex': 'in 1 min',
      'backup of 03.cortex was due': '1 s ago',
      'missed and failed ones of 03.cortex': '2',
    });
  });

  it('is measured', () => {
    const [first] = dutyRows(failed);
    expect(first?.labels).to.equal('service="cortex",member="03.cortex",host="delta"');
    const samples = DUTY_FAMILIES.map(({ name, samples }) => [
      name,
      first === undefined ? undefined : samples(first.subject)[0]?.[1],
    ]);
    expect(samples).to.deep.equal([
      ['leafward_backup_due_timestamp_seconds', due / 1000],
      ['leafward_backup_next_timestamp_seconds', (world.now + 60_000) / 1000],
      ['leafward_backup_schedule_failures_total', 2],
      ['leafward_backup_late', 0],
      ['leafward_backup_missed', 1],
    ]);
  });
});
