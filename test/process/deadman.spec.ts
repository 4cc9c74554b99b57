// `onIsolation: stop` holds although the agent hangs or is dead: the dead-man stops the leader when its permit runs out,
// and leaves a healthy one alone, whatever happens to the agent within a lease.
import { expect } from 'chai';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AGENT_TURN_MS, leaseOf, untilFenced } from '@leafward/shared/lease.js';
import { parseDeadline, type Deadline } from '@leafward/agent/deadman/deadline.js';
import { deadmanDirectory, type DeadmanDirectory } from '@leafward/agent/deadman/directory.js';
import { hostMonotonicMs } from '@leafward/agent/permits.js';
import { readBootId } from '@leafward/agent/runtimes/process/proc.js';
import { cortexManifest, storageOf, type CortexMember } from '../fleet/cortex-manifest.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { killProcessesBelow, processesOn } from '../fleet/processes.js';
import { eventually, freePorts } from '../fleet/programs.js';
import { buildCellImage } from '../standin/build-cell-image.js';

/** Long enough for an agent that is killed to be back in it, also on a busy machine. */
const isolation = { onIsolation: 'stop' as const, leaseMs: 8000, stopGraceMs: 1000 };
const failover = '{ onIsolation: stop, lease: 8s, stopGrace: 1s }';
const UNTIL_FENCED_MS = untilFenced(leaseOf(isolation, 0));
/** A machine with two cores for several fleets at once. */
const PATIENCE_MS = 60_000;
/** What such a machine may add to a bound that is met on a quiet one. */
const BUSY_MS = 5000;

describe('a leader whose agent hangs or is dead', function () {
  this.timeout(240_000);
  let dir = '';
  let fleet: LocalFleet;
  let storage = '';
  let files: DeadmanDirectory;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-'));
    const [a = 0, b = 0] = await freePorts(2);
    const members: readonly CortexMember[] = [
      { name: '00.cortex', host: 'alpha', port: a },
      { name: '01.cortex', host: 'bravo', upstream: '00.cortex', port: b },
    ];
    fleet = await startLocalFleet({ dir, hosts: ['alpha', 'bravo'] });
    storage = storageOf(dir, members[0] ?? { name: '', host: '', port: 0 });
    files = deadmanDirectory(join(fleet.agentDir('alpha'), 'run'), await readBootId());
    const image = await buildCellImage({ version: '2.170.0', outDir: join(dir, 'images') });
    const path = join(dir, 'fleet.yaml');
    await writeFile(path, cortexManifest({ dir, image, members, failover }));
    await fleet.carryOut(['deploy', path]);
  });
  after(async () => {
    await fleet?.stop();
    await killProcessesBelow(dir); // members, and the dead-man
    await rm(dir, { recursive: true, force: true });
  });

  const agent = () => {
    const program = fleet.agent('alpha');
    if (program === undefined) throw new Error('alpha has no agent');
    return program;
  };
  const deadline = (): Deadline | undefined => parseDeadline(files.read().get('00.cortex') ?? '');
  const untilRunning = (): Promise<readonly number[]> =>
    eventually('the leader runs, and its deadline names it', PATIENCE_MS, async () => {
      const pids = await processesOn(storage);
      const target = deadline()?.target;
      return target?.kind === 'process' && target.pid > 0 && pids.length > 0 && pids;
    });
  const untilStopped = (): Promise<boolean> =>
    eventually(
      'the leader is stopped',
      PATIENCE_MS,
      async () => (await processesOn(storage)).length === 0,
      20,
    );
  const starts = async (): Promise<number> =>
    eventually('the leader is told to run', PATIENCE_MS, async () => {
      const metrics = await (await fetch(`http://127.0.0.1:${fleet.metricsPort}/metrics`)).text();
      const count = /^leafward_member_starts_total\{[^}]*member="00\.cortex"[^}]*\} (\d+)/m.exec(
        metrics,
      );
      return count === null ? undefined : Number(count[1]);
    });
  const metric = async (name: string): Promise<number | undefined> => {
    const text = await (await fetch(`http://127.0.0.1:${fleet.metricsPort}/metrics`)).text();
    const found = new RegExp(
      `^leafward_deadman_${name}\\{[^}]*host="alpha"[^}]*\\} (\\S+)`,
      'm',
    ).exec(text);
    return found === null ? undefined : Number(found[1]);
  };

  it('is not touched when its agent is killed and comes back within the lease', async () => {
    const running = await untilRunning();
    const before = deadline()?.atMs ?? Infinity;
    agent().signal('SIGKILL');
    await agent().ended;
    await fleet.startAgent('alpha');
    // The dead-man has looked after the old deadline and all that would have come of it.
    await eventually('the old deadline has passed', PATIENCE_MS, async () => {
      return (files.aliveAtMs() ?? 0) > before + isolation.stopGraceMs + 2000;
    });
    expect(await processesOn(storage)).to.deep.equal(running);
    expect(files.stops()).to.deep.equal([]);
    expect(deadline()?.atMs ?? 0, 'and it was moved').to.be.greaterThan(before);
  });

  it('is stopped in time although its agent hangs, and starts again only with a new permit', async () => {
    await untilRunning();
    const before = await starts();
    fleet.controller().signal('SIGKILL');
    agent().signal('SIGSTOP');
    await untilStopped();
    const stoppedAt = hostMonotonicMs();
    const [stop] = files.stops();
    expect(stop?.member).to.equal('00.cortex');
    const { atMs = Infinity } = deadline() ?? {};
    expect(stop?.atMs).to.be.at.least(atMs);
    // The permit was sent before the deadline by a lease and the agent's turn: this is the whole of the wait.
    const renewedAt = atMs - isolation.leaseMs - AGENT_TURN_MS;
    expect(stoppedAt - renewedAt).to.be.lessThan(UNTIL_FENCED_MS + BUSY_MS);
    await fleet.controller().ended;
    agent().signal('SIGCONT');
    await eventually('the agent tells of it', PATIENCE_MS, async () =>
      (await readFile(agent().logPath, 'utf8')).includes('the dead-man stopped 00.cortex at '),
    );
    expect(await processesOn(storage), 'no controller, no permit').to.deep.equal([]);
    await fleet.startController();
    await untilRunning();
    await eventually('it was started once', PATIENCE_MS, async () => {
      return (await starts()) === before + 1;
    });
    // Figures of a host are told every quarter of a minute.
    await eventually('the controller knows of it', PATIENCE_MS, async () => {
      const told = await Promise.all(['stops_total', 'armed', 'alive'].map(metric));
      return told.every((value) => value === 1);
    });
  });

  it('is stopped when its agent is dead and nobody starts it, and led again by the next agent', async () => {
    const before = await untilRunning();
    agent().signal('SIGKILL');
    await untilStopped();
    expect(files.stops().map(({ member }) => member)).to.deep.equal(['00.cortex', '00.cortex']);
    await fleet.startAgent('alpha');
    expect(await untilRunning()).not.to.deep.equal(before);
  });
});
