// The main job on PostgreSQL and Redis in containers on booted hosts, both at the same time: deploy, update leafs
// first, hand over, lose the leaders' host to a partition while clients beside them go on writing, heal, refuse, reseed,
// back up, and go back.
import { expect } from 'chai';
import type { Backup, Operation } from '@leafward/shared/gen/domain.js';
import { eventually } from '../rig/conditions.js';
import type { Host } from '../rig/host.js';
import { requireOrSkip } from '../rig/requirements.js';
import type { Acknowledged, Writer } from '../fleet/writing.js';
import { missingAt, startDatabaseWriter, type Database } from './database.js';
import {
  bootDatabaseHosts,
  enrolDatabaseHost,
  PASSWORD,
  type DatabasesOnHosts,
} from './on-hosts.js';
import { postgresql } from './postgresql.js';
import { redis } from './redis.js';
import { requireDatabases } from './requirements.js';

const OLD = '1.0.0';
const NEW = '1.0.1';
/** Three hosts with an Engine each share this machine with everything else. */
const PATIENCE = { timeoutMs: 90_000, everyMs: 200 };
const both: readonly Database[] = [postgresql, redis];

/** The last lines of every container. */
async function logsOf(host: Host): Promise<string> {
  const script =
    'for name in $(docker ps --all --format "{{.Names}}"); do echo "── $name"; docker logs --tail 8 "$name" 2>&1; done';
  return `── ${host.name}\n${(await host.tryExec(['sh', '-c', script])).stdout}`;
}

describe('the main job on databases in containers on booted hosts', function () {
  this.timeout(400_000);
  let on: DatabasesOnHosts;
  const writers = new Map<Database, Writer>();
  const figures: string[] = [];
  let isBroken = false;
  before(async function () {
    requireOrSkip(this, 'hosts');
    requireDatabases(this, 'postgresql');
    requireDatabases(this, 'redis');
    on = await bootDatabaseHosts();
  });
  beforeEach(function () {
    if (isBroken) this.skip(); // what comes after a failure has nothing to stand on
  });
  afterEach(async function () {
    isBroken ||= this.currentTest?.state === 'failed';
    if (this.currentTest?.state !== 'failed' || on === undefined) return;
    await on.rig.keepArtifacts(this.currentTest.title);
    for (const host of on.rig.hosts.filter((one) => one.isUp())) console.log(await logsOf(host));
  });
  after(async () => {
    for (const writer of writers.values()) await writer.stop();
    await on?.rig.dispose();
    for (const figure of figures) console.log(`      ${figure}`);
  });

  const writerOf = (database: Database): Writer => {
    const writer = writers.get(database);
    if (writer === undefined) throw new Error(`nobody writes to ${database.kind}`);
    return writer;
  };
  const write = (database: Database, prefix: string): void => {
    const servers = on.serversOf(database);
    writers.set(database, startDatabaseWriter(database, { servers, password: PASSWORD, prefix }));
  };
  const missing = (database: Database, member: string, acknowledged: readonly Acknowledged[]) =>
    missingAt(database, on.server(member), { password: PASSWORD, acknowledged });
  const forBoth = (act: (database: Database) => Promise<void>): Promise<unknown> =>
    Promise.all(both.map(act));
  /** A tree under load changes: a plan that is refused or stale is made again. */
  const carryOut = async (...order: readonly string[]): Promise<Operation> => {
    const begun = await eventually(
      `${order.join(' ')} is begun`,
      async () => {
        const plan = await on.fleet.plan(order);
        const { code, stdout } = await on.fleet.tryCli([
          ...['apply', plan.id, '--no-watch', '--yes', '-o', 'json'],
        ]);
        return code === 0 ? (JSON.parse(stdout) as Operation) : undefined;
      },
      PATIENCE,
    );
    return on.fleet.untilDone(begun.id, 300_000);
  };

  it('deploys both trees by digest, each mirror filled by its upstream', async () => {
    await Promise.all(on.rig.hosts.map((host) => enrolDatabaseHost(on, host)));
    await Promise.all(on.rig.hosts.map((host) => on.fleet.untilConnected(host.name)));
    await carryOut('deploy', await on.manifest(await on.images(OLD)));
    await forBoth(async (database) => {
      expect(await on.untilWhole(database)).to.equal(`00.${database.kind}`);
      const versions = (await on.membersOf(database)).map(({ version }) => version);
      expect(versions).to.deep.equal([OLD, OLD, OLD]);
      write(database, 'write');
      await writerOf(database).untilNextWrite(PATIENCE.timeoutMs);
    });
  });

  it('updates both leafs first, by digest', async () => {
    const images = await on.images(NEW);
    await forBoth(async (database) => {
      const { kind } = database;
      await carryOut('update', kind, '--image', images[kind] ?? '');
      await on.untilWhole(database);
      const started = await Promise.all(
        on.serversOf(database).map(async ({ member }) => {
          const format = ['docker', 'inspect', '--format', '{{.State.StartedAt}}'];
          return Date.parse(
            (await on.hostOf(member).exec([...format, `leafward-${member}`])).trim(),
          );
        }),
      );
      expect(started, 'the leader last').to.deep.equal([...started].sort((a, b) => b - a));
      const versions = (await on.membersOf(database)).map(({ version }) => version);
      expect(versions).to.deep.equal([NEW, NEW, NEW]);
    });
  });

  it('hands both over without a commit lost', async () => {
    await forBoth(async (database) => {
      const to = `01.${database.kind}`;
      const since = Date.now();
      await carryOut('promote', database.kind, '--to', to);
      await eventually(
        'commits go to the new leader',
        async () => {
          return (await writerOf(database).untilNextWrite(PATIENCE.timeoutMs)).member === to;
        },
        PATIENCE,
      );
      const pause = writerOf(database).longestGapMs(since);
      figures.push(`${database.kind} in containers: a promotion paused commits for ${pause} ms`);
      await on.untilWhole(database);
      expect(await missing(database, to, [...writerOf(database).acknowledged()])).to.deep.equal([]);
    });
  });

  it('fails both over when their host is cut off, and loses what its clients alone were told', async () => {
    const bravo = on.rig.host('bravo');
    await bravo.partition();
    const cutAt = Date.now();
    await on.fleet.untilConnected('bravo', false);
    await forBoth(async (database) => {
      const { kind } = database;
      const operation = await carryOut('failover', kind);
      const chosen = operation.chosen ?? '';
      const next = await eventually(
        'commits go to the new leader',
        async () => {
          const seen = await writerOf(database).untilNextWrite(PATIENCE.timeoutMs);
          return seen.member === chosen ? seen : undefined;
        },
        PATIENCE,
      );
      const acknowledged = [...writerOf(database).acknowledged()];
      const position = Number(/at position (\d+)/.exec(operation.chosenBecause ?? '')?.[1]);
      const ofOld = acknowledged.filter(({ member }) => member === `01.${kind}`);
      const lost = await missing(database, chosen, acknowledged);
      expect(lost.map(({ value }) => value)).to.deep.equal(
        ofOld.filter(({ offset }) => offset > position).map(({ value }) => value),
      );
      const inTime = lost.filter(({ at }) => at < cutAt - 1000);
      expect(inTime, 'lost although mirrors were in reach').to.deep.equal([]);
      const stoppedAt = Math.max(...ofOld.map(({ at }) => at));
      figures.push(
        `${kind} in containers: cut off at 0, its last commit there at ${stoppedAt - cutAt} ms, the first ` +
          `elsewhere at ${next.at - cutAt} ms; lost ${lost.length} of ${acknowledged.length}, all past position ${position}`,
      );
      // Nobody took commits on both sides of the cut at once (I1).
      const first = acknowledged.find(({ member }) => member === chosen && ofOld.length > 0);
      const begun = acknowledged.filter(({ member, at }) => member === chosen && at > cutAt)[0];
      expect((begun ?? first)?.at ?? 0).to.be.greaterThan(stoppedAt);
    });
  });

  it('refuses the old leaders when their host is back, and fills them anew', async () => {
    const bravo = on.rig.host('bravo');
    await bravo.heal();
    await on.fleet.untilConnected('bravo');
    await forBoth(async (database) => {
      const old = `01.${database.kind}`;
      await eventually(
        `${old} is retired by its own agent's word`,
        async () => {
          const seen = (await on.membersOf(database)).find(({ member }) => member === old);
          return seen?.state === 'retired' && seen.startsSinceRetired === 0;
        },
        PATIENCE,
      );
      const running = await bravo.exec(['docker', 'ps', '--quiet', '--filter', `name=${old}`]);
      expect(running.trim()).to.equal('');
      await carryOut('reseed', database.kind, old);
      expect(await on.untilWhole(database)).to.not.equal(old);
      const next = await writerOf(database).untilNextWrite(PATIENCE.timeoutMs);
      await eventually(
        'it follows',
        async () => {
          return (await missing(database, old, [next])).length === 0;
        },
        PATIENCE,
      );
    });
  });

  it('takes both back to a backup that a drill has proven: what came later is gone, and nothing else', async () => {
    await forBoth(async (database) => {
      const { kind } = database;
      await writerOf(database).stop();
      const before = [...writerOf(database).acknowledged()];
      const leader = await on.untilWhole(database);
      const lost = new Set((await missing(database, leader, before)).map(({ value }) => value));
      await carryOut('backup', kind);
      const listed = await on.fleet.cliJson<readonly Backup[]>(['backup', 'list', kind]);
      const name = listed[0]?.name ?? '';
      await on.fleet.cli(['backup', 'verify', name, '--service', kind, '--rate', 'max']);
      await on.fleet.cli(['backup', 'drill', name, '--service', kind]);
      write(database, 'later');
      await writerOf(database).untilNextWrite(PATIENCE.timeoutMs);
      await writerOf(database).stop();
      const later = [...writerOf(database).acknowledged()];
      await carryOut('restore', kind, '--backup', name);
      const next = await on.untilWhole(database);
      const gone = await missing(database, next, [...before, ...later]);
      expect(gone.map(({ value }) => value).sort()).to.deep.equal(
        [...lost, ...later.map(({ value }) => value)].sort(),
      );
    });
  });
});
