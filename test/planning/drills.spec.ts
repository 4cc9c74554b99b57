// What drills have shown, where an operator and Prometheus see it: metrics, `why`, and the plan of an update that a copy
// was tried with before.
import { expect } from 'chai';
import { DRILL_FAMILIES, drillRows } from '@leafward/controller/metrics/drill-families.js';
import { explain } from '@leafward/controller/planning/index.js';
import type { Backup, Drill } from '@leafward/shared/gen/domain.js';
import { backupOf, deployed, imageOf, type World } from './model.js';

const DAY = 24 * 60 * 60_000;

const drillOf = (at: number, ok: boolean): Drill => ({
  ...{ at, ok, image: imageOf('cortex:2.113.0'), problems: ok ? [] : ['it is lame'] },
  ...{ tookMs: 4200, copyMs: 200, migrationMs: 1000, bytes: 1000 },
});
const made = (name: string, at: number, drill?: Drill): Backup => ({
  ...backupOf('02.cortex', 'cortex', 'charlie', at),
  ...{ name, drill },
});

/** A service that is drilled at noon each day. */
function drilled(...backups: readonly Backup[]): World {
  const world = deployed();
  const service = world.services['cortex']!;
  const duty = {
    ...{ drillSchedule: '0 12 * * *', timeZone: 'UTC', jitterMs: 0, takeoverMs: 1 },
  };
  const backup = { ...service.declaration.backup, duty };
  world.services['cortex'] = { ...service, declaration: { ...service.declaration, backup } };
  world.backups = [...backups];
  return world;
}

function measured(world: World): Readonly<Record<string, number>> {
  const [row] = drillRows(world.snapshot());
  return Object.fromEntries(
    DRILL_FAMILIES.flatMap(({ name, samples }) =>
      (row === undefined ? [] : samples(row.subject)).map(([, value]) => [
        name.replace('leafward_backup_', ''),
        value,
      ]),
    ),
  );
}

describe('what drills have shown', () => {
  const { now } = deployed();

  it('is measured: the last one, the newest proven backup and how long its restore took', () => {
    const proven = made('b1', now - DAY, drillOf(now - DAY + 1000, true));
    const world = drilled(made('b2', now - 1000, drillOf(now - 500, false)), proven);
    expect(measured(world)).to.deep.equal({
      drilled_timestamp_seconds: (now - 500) / 1000,
      drill_ok: 0,
      restore_seconds: 4.2,
      proven_timestamp_seconds: (now - DAY) / 1000,
      unproven: 0,
    });
  });

  it('is missed when drills were due and nothing was proven, and never without a schedule', () => {
    expect(measured(drilled())['unproven']).to.equal(0);
    expect(measured(drilled(made('b1', now - 2 * DAY)))['unproven']).to.equal(1);
    const old = made('b1', now - 5 * DAY, drillOf(now - 5 * DAY, true));
    expect(measured(drilled(old))['unproven']).to.equal(1);
    const recent = made('b1', now - 2 * DAY, drillOf(now - DAY, true));
    expect(measured(drilled(recent))['unproven']).to.equal(0);
    const world = deployed();
    world.backups = [made('b1', now - 5 * DAY)];
    expect(measured(world)).to.deep.equal({});
  });

  it('is told by why, the newest proven backup and the failed one', () => {
    const proven = made('b1', now - DAY, drillOf(now - DAY + 1000, true));
    const world = drilled(made('b2', now - 1000, drillOf(now - 500, false)), proven);
    const [cortex] = explain(world.snapshot(), 'cortex');
    const fact = cortex?.facts.find(({ name }) => name === 'newest proven backup');
    expect(fact?.value).to.match(/^b1 of 02\.cortex, 1 d old, restored in 4 s by its drill/);
    expect(cortex?.summary).to.include('its backup b2 on charlie failed its drill: it is lame');
  });

  for (const ok of [true, false])
    it(`is in the plan of an update: a rehearsal that ${ok ? 'came up' : 'failed'}`, () => {
      const world = deployed();
      const drill = { ...drillOf(now, ok), image: imageOf('cortex:2.150.0') };
      world.rehearsals = [
        { service: 'cortex', member: '02.cortex', host: 'charlie', backup: 'b1', drill },
      ];
      const plan = world.plan({ kind: 'update', service: 'cortex', image: 'cortex:2.150.0' });
      const evidence = plan.gates.flatMap((gate) => gate.evidence);
      const told = evidence.find(({ name }) => name === 'rehearsal with this image');
      expect(told?.value).to.equal(
        `${ok ? 'up after 4 s, 1 s of it migrating' : 'failed: it is lame'} (b1 on charlie)`,
      );
      expect(plan.refusals.map(({ code }) => code)).to.deep.equal(ok ? [] : ['rehearsal-failed']);
      expect(plan.warnings.some((one) => one.includes('did NOT come up'))).to.equal(!ok);
    });
});
