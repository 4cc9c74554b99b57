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
});
