// The agent's own requests for backups and drills: through the journal and the requests as any other, with the term and
// epoch of its order, once, and again after a crash. Journal and requests are real; an act is what the test lets happen.
import { expect } from 'chai';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '@leafward/shared/clock.js';
import { systemClock } from '@leafward/shared/clock.js';
import type {
  Backup,
  BackupDuty,
  MemberFact,
  Request,
  ServiceWord,
} from '@leafward/shared/gen/domain.js';
import { createLogger } from '@leafward/shared/log.js';
import { createDuties, type Duties } from '@leafward/agent/duty/duties.js';
import { openJournal, type Journal } from '@leafward/agent/journal.js';
import { openRequests, type Act, type Requests } from '@leafward/agent/requests.js';
import { eventually } from '../conformance/runtime.js';
import { intentOf } from './agent-world.js';
import { at, dutyOf, HOUR, MINUTE } from './duty-world.js';

const log = createLogger('test', 'silent');
const DUE = at('2026-11-21T02:00:00');

describe('duties', () => {
  let directory = '';
  let journal: Journal;
  let requests: Requests;
  let duties: Duties;
  let now = DUE - HOUR;
  let begun: Request[] = [];
  let backups: Backup[] = [];
  let facts: readonly MemberFact[] = [];
  const clock: Clock = { ...systemClock, now: () => now };
  const never: Act = (_, __, signal) =>
    new Promise((_resolve, reject) =>
      signal.addEventListener('abort', () => reject(new Error('cut short'))),
    );

  const order = (...members: readonly (readonly [string, BackupDuty])[]) =>
    journal.append({
      kind: 'intent-accepted',
      at: now,
      intent: {
        host: 'alpha',
        generation: (journal.state.intent?.generation ?? 0) + 1,
        epoch: 7,
        members: members.map(([member, backupDuty]) =>
          intentOf({ member, service: member.slice(3), backupDuty }),
        ),
      },
    });
  const fact = (member: string): MemberFact => ({
    member,
    service: member.slice(3),
    seenAt: now,
    container: { state: 'running' },
    engine: { answered: true, ready: true, active: true },
    storage: {},
    term: 3,
    starts: 1,
    startsSinceRetired: 0,
    waits: [],
    refusals: [],
  });
  const openDuties = async (act: Act): Promise<void> => {
    journal = await openJournal(join(directory, 'journal.log'), log);
    requests = await openRequests({
      journal,
      clock,
      log,
      act: (request, onProgress, signal) => {
        begun.push(request);
        return act(request, onProgress, signal);
      },
      clockOffsetMs: () => 0,
      onChange: () => undefined,
      onProgress: () => undefined,
    });
    duties = createDuties({
      clock,
      log,
      journal,
      catalogue: { list: () => backups },
      requests,
      members: () => facts,
      isBusy: () => false,
      onChange: () => undefined,
    });
  };
  const close = async (): Promise<void> => {
    await duties.stop();
    await requests.stop();
    await journal.close();
  };
  /** A controller's word: nobody has backed up. */
  const hear = (word: Partial<ServiceWord> = {}): void =>
    duties.heard({ services: [{ service: 'cortex', ...word }] });
  const untilBegun = (count: number): Promise<unknown> =>
    eventually(
      () => {
        duties.wake();
        return begun.length;
      },
      (length) => length >= count,
      `${count} were begun`,
    );
  const untilKnown = (...keys: readonly string[]): Promise<unknown> =>
    eventually(
      () => {
        duties.wake();
        return Object.keys(journal.state.duties ?? {});
      },
      (known) => keys.every((key) => known.includes(key)),
      'the duties have begun',
    );

  beforeEach(async () => {
    now = DUE - HOUR;
    begun = [];
    backups = [];
    facts = [fact('00.cortex'), fact('00.axon')];
    directory = await mkdtemp(join(tmpdir(), 'leafward-duties-'));
  });
  afterEach(async () => {
    await close();
    await rm(directory, { recursive: true, force: true });
  });

  it('back up at the time, with the term and epoch of the order, and tell how it goes', async () => {
    await openDuties(() => Promise.resolve({}));
    await order(['00.cortex', dutyOf()]);
    await untilKnown('backup 00.cortex');
    hear({ databaseBackup: 'base/20261121T000000Z' });
    now = DUE + MINUTE;
    await untilBegun(1);
    expect(begun[0]).to.deep.equal({
      kind: 'run-backup',
      id: `scheduled-00.cortex-${DUE}`,
      epoch: 7,
      expiresAt: 0,
      member: '00.cortex',
      term: 3,
      name: '20261121T020100Z',
      databaseBackup: 'base/20261121T000000Z',
      scheduledFor: DUE,
    });
    await eventually(
      () => {
        duties.wake();
        return journal.state.duties?.['backup 00.cortex']?.over;
      },
      (over) => over?.includes(DUE) === true,
      'its time is over',
    );
    expect(duties.facts()).to.have.length(1);
    expect(duties.facts()[0]).to.include({ member: '00.cortex', failures: 0, dueAt: DUE });
    expect(duties.facts()).to.equal(duties.facts());
  });

  it('never two at once on a host', async () => {
    let end = (): void => undefined;
    await openDuties(() => new Promise((resolve) => (end = () => resolve({}))));
    await order(['00.cortex', dutyOf()], ['00.axon', dutyOf()]);
    await untilKnown('backup 00.cortex', 'backup 00.axon');
    duties.heard({ services: [{ service: 'cortex' }, { service: 'axon' }] });
    now = DUE + 2 * HOUR;
    await untilBegun(1);
    await eventually(
      () => {
        duties.wake();
        return duties.facts().find(({ member }) => member === '00.axon');
      },
      (axon) => axon?.problem?.includes('run-backup of 00.cortex is at work here') === true,
      'the other one says why it waits',
    );
    expect(begun).to.have.length(1);
    end();
    await untilBegun(2);
    expect(begun[1]?.member).to.equal('00.axon');
    end();
  });

  it('take up again what an agent that died had begun, under another id', async () => {
    await openDuties(never);
    await order(['00.cortex', dutyOf()]);
    await untilKnown('backup 00.cortex');
    hear();
    now = DUE + MINUTE;
    await untilBegun(1);
    await close();
    now = DUE + 2 * MINUTE;
    await openDuties(() => Promise.resolve({}));
    hear();
    now = DUE + 4 * MINUTE;
    await untilBegun(2);
    expect(begun.map(({ id }) => id)).to.deep.equal([
      `scheduled-00.cortex-${DUE}`,
      `scheduled-00.cortex-${DUE}-2`,
    ]);
    expect(journal.state.requests[`scheduled-00.cortex-${DUE}`]?.outcome?.state).to.equal(
      'unknown',
    );
  });

  it('wait for an operation, and for a member that does not answer', async () => {
    await openDuties(() => Promise.resolve({}));
    await order(['00.cortex', dutyOf()]);
    await untilKnown('backup 00.cortex');
    now = DUE + HOUR;
    const problem = (text: string): Promise<unknown> =>
      eventually(
        () => {
          duties.wake();
          return duties.facts()[0]?.problem ?? '';
        },
        (said) => said.includes(text),
        `it says ${text}`,
      );
    hear({ operation: 'op-1' });
    await problem('operation op-1 is going on');
    hear();
    facts = [{ ...fact('00.cortex'), engine: { answered: false } }];
    await problem('00.cortex does not answer');
    expect(begun).to.deep.equal([]);
    facts = [fact('00.cortex')];
    await untilBegun(1);
  });

  it('order the drill of the newest backup of the service on this host', async () => {
    await openDuties(() => Promise.resolve({}));
    await order(['00.cortex', dutyOf({ schedule: undefined, drillSchedule: '0 2 * * *' })]);
    await untilKnown('drill 00.cortex');
    now = DUE + MINUTE;
    backups = [{ member: '00.cortex', service: 'cortex', path: '/srv/b/two' } as Backup];
    await untilBegun(1);
    expect(begun[0]).to.include({
      kind: 'drill-backup',
      id: `drill-by-schedule-00.cortex-${DUE}`,
      path: '/srv/b/two',
      member: '00.cortex',
      term: 3,
      epoch: 7,
    });
    await eventually(
      () => {
        duties.wake();
        return duties.facts()[0]?.nextDrillAt;
      },
      (next) => next === DUE + 24 * HOUR,
      'the next drill is told',
    );
    expect(begun).to.have.length(1);
  });
});
