// Faults in the middle of an update on three booted hosts with Docker members: whoever dies or is cut off, the
// update ends, and no member is started more than once for it. The watchdog is in agent-unit.spec.ts.
import { expect } from 'chai';
import type { Move, Operation } from '@leafward/shared/gen/domain.js';
import { watchInvariants } from '../fleet/watch-invariants.js';
import { eventually } from '../rig/conditions.js';
import { requireOrSkip } from '../rig/requirements.js';
import {
  bootCortexHosts,
  deployCortex,
  engineStarts,
  members,
  UNIT,
  upstreams,
  type CortexOnHosts,
} from './cortex-on-hosts.js';

describe('faults in the middle of an update', function () {
  this.timeout(180_000);
  let cortex: CortexOnHosts;
  before(async function () {
    requireOrSkip(this, 'hosts');
    cortex = await bootCortexHosts();
    await deployCortex(cortex, '2.170.0');
  });
  // What the test before has left is over: a plan that is made meanwhile is stale when it is applied.
  beforeEach(() => cortex.fleet.untilSettled());
  afterEach(async function () {
    if (this.currentTest?.state === 'failed')
      await cortex?.rig.keepArtifacts(this.currentTest.title);
  });
  after(() => cortex?.rig.dispose());

  const isOf = (move: Move, member: string): boolean =>
    move.kind === 'recreate' && move.member === member;
  const progressOf = (operation: Operation, member: string) =>
    operation.progress[operation.moves.findIndex((move) => isOf(move, member))];

  /** Begins an update and returns when the move of this member has begun. */
  const beginUpdate = async (version: string, member: string): Promise<string> => {
    const { fleet } = cortex;
    await fleet.cli(['backup', 'run', 'cortex']);
    const image = await cortex.image(version);
    const { id } = await fleet.begin(await fleet.plan(['update', 'cortex', '--image', image]));
    await eventually(`${id} has begun with ${member}`, async () => {
      return progressOf(await fleet.operation(id), member)?.state !== 'pending';
    });
    return id;
  };

  /** Updates to the version, does `strike` while the member's move is at work, and says what it found. */
  const updateUnder = async (
    version: string,
    member: string,
    strike: (operationId: string) => Promise<void>,
  ): Promise<void> => {
    const before = (await Promise.all(cortex.rig.hosts.map(engineStarts))).flat();
    const watch = watchInvariants(cortex.storages, upstreams);
    const id = await beginUpdate(version, member);
    await strike(id);
    await cortex.fleet.untilDone(id);
    await watch.stop();
    expect(watch.violations()).to.deep.equal([]);
    const image = await cortex.image(version);
    for (const [name, container] of Object.entries(await cortex.containers()))
      expect(container, name).to.include({ image, running: true, restartPolicy: 'no' });
    const after = (await Promise.all(cortex.rig.hosts.map(engineStarts))).flat();
    const once = Object.keys(members).map((name) => `leafward-${name}`);
    expect(after.sort(), 'starts').to.deep.equal([...before, ...once].sort());
  };

  it('the agent is killed: systemd starts it again, what runs is adopted as it is', async () => {
    const charlie = cortex.rig.host('charlie');
    await updateUnder('2.171.0', '02.cortex', async () => {
      const beside = await cortex.container('03.cortex');
      await charlie.killUnit(UNIT, 'SIGKILL');
      await eventually('systemd starts it again', async () => {
        const argv = ['systemctl', 'show', '--value', '--property=NRestarts', UNIT];
        return (await charlie.exec(argv)).trim() === '1';
      });
      const kept = await cortex.container('03.cortex').catch(() => undefined);
      // Unless its own turn had come meanwhile: then the number of its starts says the same.
      if (kept?.image === beside.image) expect(kept).to.deep.equal(beside);
    });
  });

  it('the controller is killed and started again', async () => {
    await updateUnder('2.172.0', '03.cortex', async () => {
      cortex.fleet.controller().kill('SIGKILL');
      await cortex.fleet.controller().ended();
      await cortex.fleet.startController();
    });
  });

  it('the host of a mirror is cut off: the update waits, says so, and goes on', async () => {
    const bravo = cortex.rig.host('bravo');
    await updateUnder('2.173.0', '01.cortex', async (id) => {
      await bravo.partition();
      const wait = await eventually(
        'it waits for the silent host',
        async () => {
          const waits = (await cortex.fleet.operation(id)).progress.map(({ wait }) => wait);
          return waits.find((one) => one?.code === 'host-silent');
        },
        { timeoutMs: 90_000 },
      );
      expect(wait.subject).to.equal('bravo');
      expect(await cortex.fleet.cli(['why', id])).to.include('host-silent');
      const moves = (await cortex.fleet.operation(id)).progress.map(({ state }) => state);
      expect(moves.at(-1), 'the leader stays as it is meanwhile').to.equal('pending');
      await bravo.heal();
    });
  });

  /** Another lease than before: else there is nothing to deploy. */
  const stopsAlone = async (image: string, leaseSeconds: number): Promise<void> => {
    const failover = `{ onIsolation: stop, lease: ${leaseSeconds}s, stopGrace: 3s }`;
    const path = await cortex.manifest(image, failover);
    await cortex.fleet.apply(await cortex.fleet.plan(['deploy', path]));
  };

  it('the agent hangs in a host that is cut off: the dead-man stops its leader, and says so', async () => {
    const alpha = cortex.rig.host('alpha');
    const before = await cortex.container('00.cortex');
    await stopsAlone(before.image, 5);
    await alpha.partition();
    // All of the unit, as a debugger or a frozen control group would: nothing of the agent runs any more.
    await alpha.exec(['systemctl', 'kill', '--signal=SIGSTOP', UNIT]);
    await eventually('the leader is stopped', async () => {
      return !(await cortex.container('00.cortex')).running;
    });
    const log = await alpha.exec(['journalctl', '--unit=leafward-deadman', '--output=cat']);
    expect(log).to.match(
      /00\.cortex: its permit ran out \d+ ms ago and its agent has not stopped it/,
    );
    await alpha.heal();
    await alpha.exec(['systemctl', 'kill', '--signal=SIGCONT', UNIT]);
    await eventually('it leads again, started once', async () => {
      const now = await cortex.container('00.cortex');
      return now.running && now.id === before.id && now.startedAt > before.startedAt;
    });
    await eventually('its agent tells of it', async () => {
      const text = await alpha.exec(['journalctl', `--unit=${UNIT}`, '--output=cat']);
      return text.includes('the dead-man stopped 00.cortex at ');
    });
  });

  it('the leader’s host is cut off: its agent stops it, and its lease is the proof of it', async () => {
    const { fleet, rig, storages } = cortex;
    const alpha = rig.host('alpha');
    const before = await cortex.containers();
    const [service] = (await fleet.status()).services;
    await stopsAlone(before['00.cortex']?.image ?? '', 6);
    expect(await cortex.containers(), 'a policy changes no container').to.deep.equal(before);
    const watch = watchInvariants(storages);
    await alpha.partition();
    await eventually('the leader is stopped', async () => {
      return !(await cortex.container('00.cortex')).running;
    });
    await fleet.untilConnected('alpha', false);
    // Nobody's word is needed: that its own host stops it is what the policy says.
    const done = await fleet.apply(await fleet.plan(['failover', 'cortex']));
    expect(done.progress[0]?.note).to.match(/^alpha has been silent for longer than 1\d s/);
    expect(done.chosen).to.be.oneOf(['01.cortex', '03.cortex', '02.cortex']);
    await alpha.heal();
    await eventually('the old leader is shown as retired by its own agent', async () => {
      const now = (await fleet.status()).services[0];
      const old = now?.members.find((one) => one.member === '00.cortex');
      const isBack = (await fleet.untilConnected('alpha')).connected;
      return isBack && old?.state === 'retired' && now?.term === (service?.term ?? 0) + 1;
    });
    const { running, startedAt } = await cortex.container('00.cortex');
    expect({ running, startedAt }).to.deep.equal({
      running: false,
      startedAt: before['00.cortex']?.startedAt,
    });
    await watch.stop();
    expect(watch.violations()).to.deep.equal([]);
  });
});
