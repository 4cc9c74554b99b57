// The whole job on three booted hosts with Docker members, in one story: every test begins where the one before it
// ended. The leader's host loses power, and whatever then happens to it, nothing starts from the old storage (I2).
import { expect } from 'chai';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Backup, MemberView } from '@leafward/shared/gen/domain.js';
import { watchInvariants } from '../fleet/watch-invariants.js';
import { missingFrom, startWriter, type Acknowledged, type Writer } from '../fleet/writer.js';
import { eventually } from '../rig/conditions.js';
import type { Host } from '../rig/host.js';
import { requireOrSkip } from '../rig/requirements.js';
import {
  bootCortexHosts,
  depths,
  engineStarts,
  enrolHost,
  members,
  startsWhileWatched,
  UNIT,
  upstreams,
  type CortexOnHosts,
  type SeenContainer,
} from './cortex-on-hosts.js';

const OLD = '2.170.0';
const NEW = '2.180.0';
const NEXT = '2.190.0';
const RETIRED = '01.cortex'; // leads when its host, bravo, loses power

describe('the main job on three booted hosts', function () {
  this.timeout(180_000);
  let cortex: CortexOnHosts;
  let writer: Writer;
  let bravo: Host;
  /** The retired container as it was when the power went. */
  let last: SeenContainer;
  let acknowledged: readonly Acknowledged[] = [];
  before(async function () {
    requireOrSkip(this, 'hosts');
    cortex = await bootCortexHosts();
    bravo = cortex.rig.host('bravo');
  });
  let isBroken = false;
  beforeEach(function () {
    if (isBroken) this.skip(); // what comes after a failure has nothing to stand on
  });
  afterEach(async function () {
    isBroken ||= this.currentTest?.state === 'failed';
    if (this.currentTest?.state === 'failed')
      await cortex?.rig.keepArtifacts(this.currentTest.title);
  });
  after(async () => {
    await writer?.stop();
    await cortex?.rig.dispose();
  });

  const member = async (name: string): Promise<MemberView> => {
    const seen = (await cortex.fleet.status()).services[0]?.members.find((m) => m.member === name);
    if (seen === undefined) throw new Error(`status does not show ${name}`);
    return seen;
  };
  /** Its agent has told of it since it came back, and the storage itself says it. */
  const untilRetired = async (): Promise<void> => {
    const since = (await cortex.fleet.status()).now;
    await eventually(`${RETIRED} is shown as retired`, async () => {
      const { state, seenAt = 0 } = await member(RETIRED);
      return state === 'retired' && seenAt > since && (await marker()).retired?.term === 3;
    });
  };
  /** No start by the Engine's account, nothing that runs, and the very container that lost power, if any. */
  const expectNothingStarted = async (): Promise<void> => {
    expect(await startsWhileWatched(bravo)).to.deep.equal([]);
    expect((await bravo.exec(['docker', 'ps', '--quiet'])).trim()).to.equal('');
    const { id, startedAt } = await cortex.container(RETIRED);
    expect({ id, startedAt }).to.deep.equal({ id: last.id, startedAt: last.startedAt });
  };
  const marker = async (): Promise<{ readonly retired?: { readonly term: number } }> =>
    JSON.parse(await readFile(join(cortex.storages[RETIRED] ?? '', '.leafward.json'), 'utf8')) as {
      readonly retired?: { readonly term: number };
    };

  it('three hosts are enrolled with one-time URLs', async () => {
    await Promise.all(cortex.rig.hosts.map((host) => enrolHost(cortex, host)));
    await Promise.all(cortex.rig.hosts.map((host) => cortex.fleet.untilConnected(host.name)));
  });

  it('a tree of four members is deployed by digest', async () => {
    const image = await cortex.image(OLD);
    const path = await cortex.manifest(image);
    const plan = await cortex.fleet.plan(['deploy', path]);
    expect(plan.refusals).to.deep.equal([]);
    await cortex.fleet.apply(plan);
    for (const [name, container] of Object.entries(await cortex.containers()))
      expect(container, name).to.include({ image, running: true, networkMode: 'host' });
    expect((await cortex.fleet.plan(['deploy', path])).moves).to.deep.equal([]);
    writer = startWriter({ members: cortex.storages, everyMs: 10 });
    expect((await writer.untilNextWrite(10_000)).member).to.equal('00.cortex');
  });

  it('Docker itself would start none of the containers', async () => {
    const policies = Object.values(await cortex.containers()).map((one) => one.restartPolicy);
    expect(policies).to.deep.equal(['no', 'no', 'no', 'no']);
  });

  it('a live backup is taken of a mirror', async () => {
    await cortex.fleet.cli(['backup', 'run', 'cortex']);
    const [backup] = await cortex.fleet.cliJson<readonly Backup[]>(['backup', 'list']);
    expect(backup?.member).to.not.equal('00.cortex');
    expect(backup?.sizeBytes).to.be.greaterThan(0);
  });

  it('it is updated leafs first by digest, and every member is started once', async () => {
    const before = await cortex.containers();
    const watch = watchInvariants(cortex.storages, upstreams);
    const image = await cortex.image(NEW);
    await cortex.fleet.apply(await cortex.fleet.plan(['update', 'cortex', '--image', image]));
    await watch.stop();
    expect(watch.violations()).to.deep.equal([]);
    const after = await cortex.containers();
    const order = Object.keys(after).sort(
      (a, b) => (after[a]?.startedAt ?? 0) - (after[b]?.startedAt ?? 0),
    );
    expect(order.map((name) => depths[name])).to.deep.equal([2, 1, 1, 0]);
    for (const [name, container] of Object.entries(after)) {
      expect(container, name).to.include({ image, running: true, restartPolicy: 'no' });
      expect(container.id, name).to.not.equal(before[name]?.id);
    }
    const starts = (await Promise.all(cortex.rig.hosts.map(engineStarts))).flat().sort();
    const twice = Object.keys(members).flatMap((name) => [`leafward-${name}`, `leafward-${name}`]);
    expect(starts).to.deep.equal(twice); // once deployed, once updated
  });

  it('an update with little downtime hands leadership over without a write lost', async () => {
    const image = await cortex.image(NEXT);
    const update = ['update', 'cortex', '--image', image, '--strategy', 'low-downtime'];
    await cortex.fleet.apply(await cortex.fleet.plan(update));
    for (const [name, container] of Object.entries(await cortex.containers()))
      expect(container, name).to.include({ image, running: true, restartPolicy: 'no' });
    await eventually('writes go to the new leader', async () => {
      return (await writer.untilNextWrite(20_000)).member === RETIRED;
    });
    const missing = await missingFrom(cortex.storages[RETIRED] ?? '', writer.acknowledged());
    expect(missing).to.deep.equal([]);
  });

  it("the leader's host loses power: the service fails over to the most advanced mirror", async () => {
    last = await cortex.container(RETIRED);
    await bravo.partition(); // as of a real host, nobody is told that its connections end
    await bravo.powerCut();
    acknowledged = [...writer.acknowledged()];
    await cortex.fleet.untilConnected('bravo', false);
    const why = ['--leader-is-off', 'its power was cut'];
    const operation = await cortex.fleet.apply(
      await cortex.fleet.plan(['failover', 'cortex', ...why]),
    );
    const chosen = operation.chosen ?? '';
    expect(chosen).to.be.oneOf(['00.cortex', '02.cortex', '03.cortex']);
    expect((await writer.untilNextWrite(20_000)).member).to.equal(chosen);
    const missing = await missingFrom(cortex.storages[chosen] ?? '', acknowledged);
    const lost = new Set(missing.map((write) => write.offset));
    const kept = acknowledged.filter((write) => !lost.has(write.offset)).map((w) => w.offset);
    // What no mirror had yet when the power went may be gone; nothing before that.
    expect(missing.filter((write) => write.offset < Math.max(...kept))).to.deep.equal([]);
  });

  it('its host comes back without a network: its agent still believes that it leads, 0 starts', async () => {
    await bravo.boot();
    await expectNothingStarted();
    const { stdout } = await bravo.tryExec(['leafward-agent', 'status']);
    expect(stdout).to.match(/01\.cortex {2}running {2}leader/);
    expect((await marker()).retired).to.equal(undefined);
  });

  it('with the network it learns that it is retired and marks the storage, 0 starts', async () => {
    await bravo.heal();
    await cortex.fleet.untilConnected('bravo');
    await untilRetired();
    await expectNothingStarted();
    expect((await marker()).retired?.term).to.equal(3);
    expect((await member(RETIRED)).startsSinceRetired).to.equal(0);
  });

  it('after another power cut, with the network: 0 starts', async () => {
    await bravo.powerCut();
    await bravo.boot();
    await cortex.fleet.untilConnected('bravo');
    await untilRetired();
    await expectNothingStarted();
  });

  it('rebooted without a network: 0 starts', async () => {
    await bravo.partition();
    await bravo.powerCut();
    await bravo.boot();
    await expectNothingStarted();
    const { stdout } = await bravo.tryExec(['leafward-agent', 'status']);
    expect(stdout).to.match(/retired at term 3.*starts since: 0/);
    await bravo.heal();
  });

  it('with its agent wiped and enrolled anew: 0 starts, the marker wins', async () => {
    await bravo.exec(['systemctl', 'stop', UNIT]);
    await bravo.exec(['rm', '-rf', '/var/lib/leafward']);
    await bravo.powerCut();
    await bravo.boot();
    await cortex.fleet.cli(['host', 'revoke', 'bravo', '--yes', '--reason', 'reinstalled']);
    await enrolHost(cortex, bravo);
    await cortex.fleet.untilConnected('bravo');
    await untilRetired();
    await expectNothingStarted();
    expect((await marker()).retired?.term).to.equal(3);
  });

  it('started by hand it is stopped at once and shouted about', async () => {
    const before = await bravo.exec(['leafward-agent', 'status']);
    expect(before).to.match(/starts since: 0/);
    const at = Date.now();
    await bravo.exec(['docker', 'start', `leafward-${RETIRED}`]);
    await eventually('it is stopped', async () => !(await cortex.container(RETIRED)).running, {
      everyMs: 20,
    });
    expect(Date.now() - at, 'ms that it ran').to.be.lessThan(15_000);
    const shouted = await eventually('status says so', async () => {
      const seen = await member(RETIRED);
      return seen.startsSinceRetired > 0 ? seen : undefined;
    });
    expect(shouted.startsSinceRetired).to.equal(1);
    expect(shouted.problems.join('\n')).to.include('started 1 times since it was retired');
    const metrics = await cortex.rig.controller.run([
      'curl',
      '-sf',
      cortex.fleet.metricsUrl + '/metrics',
    ]);
    expect(metrics).to.match(/leafward_member_starts_since_retired_total\{.*01\.cortex.*\} 1/);
    // It mirrored or answered nobody: whoever writes still writes to the leader.
    expect((await writer.untilNextWrite(20_000)).member).to.not.equal(RETIRED);
  });

  it('a restart policy that somebody gives it is taken away', async () => {
    await bravo.exec(['docker', 'update', '--restart=always', `leafward-${RETIRED}`]);
    await eventually('its policy is no again', async () => {
      return (await cortex.container(RETIRED)).restartPolicy === 'no';
    });
    expect((await cortex.container(RETIRED)).running).to.equal(false);
  });

  it('a restart of the Engine brings nothing back, and takes nothing away elsewhere', async () => {
    const charlie = cortex.rig.host('charlie');
    const others = await cortex.containers();
    await Promise.all(
      [bravo, charlie].map((host) =>
        host.exec(['systemctl', 'restart', 'docker'], { timeoutMs: 60_000 }),
      ),
    );
    expect(await startsWhileWatched(bravo)).to.deep.equal([]);
    expect((await bravo.exec(['docker', 'ps', '--quiet'])).trim()).to.equal('');
    expect(await engineStarts(charlie)).to.deep.equal([]);
    expect(await cortex.containers()).to.deep.equal(others);
  });

  it('in the end the service is whole, but for the retired member', async () => {
    const missing = await missingFrom(
      cortex.storages[(await leader()).member] ?? '',
      writer.acknowledged().slice(acknowledged.length),
    );
    expect(missing).to.deep.equal([]);
    const { services } = await cortex.fleet.status();
    const states = Object.fromEntries(services[0]?.members.map((m) => [m.member, m.state]) ?? []);
    expect(Object.values(states).sort()).to.deep.equal([
      'leading',
      'mirroring',
      'mirroring',
      'retired',
    ]);
  });

  async function leader(): Promise<MemberView> {
    const found = (await cortex.fleet.status()).services[0]?.members.find(
      (m) => m.role === 'leader',
    );
    if (found === undefined) throw new Error('status shows no leader');
    return found;
  }
});
