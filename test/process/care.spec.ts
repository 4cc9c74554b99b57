// What keeps a service healthy, on a real fleet: a frozen member is resumed whatever becomes of its agent, a log is cut
// with every mirror named, databases are swapped and backed up while their member is stopped.
import { expect } from 'chai';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mapOf } from '@leafward/agent/engines/synapse/telepath/value.js';
import { cortexManifest, storageOf, type CortexMember } from '../fleet/cortex-manifest.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { killProcessesOn } from '../fleet/processes.js';
import { eventually, freePorts } from '../fleet/programs.js';
import { buildCellImage } from '../standin/build-cell-image.js';
import { connectCell } from '../standin/client.js';

const SETTLED_MS = 120_000;

/** Stands for `python -m synapse.tools.backup SOURCE TARGET`: all but what is thrown away, and smaller. */
const TOOL = `#!/bin/sh
set -e
[ "$1 $2" = "-m synapse.tools.backup" ]
mkdir -p "$4"
cd "$3"
tar --exclude=./backups --exclude=./tmp --exclude=./sock -cf - . | tar -xf - -C "$4"
if [ -f "$4/slabs/cell.lmdb/data.mdb" ]; then echo compact >"$4/slabs/cell.lmdb/data.mdb"; fi
`;

describe('keeping a service healthy', function () {
  this.timeout(600_000);
  let dir: string;
  let fleet: LocalFleet;
  let members: readonly [CortexMember, CortexMember];
  const storage = (index: 0 | 1): string => storageOf(dir, members[index]);
  const manifest = (image: string, snapshot: string): string =>
    cortexManifest({
      dir,
      image,
      members,
      environment: {
        SYN_CELL_START_MS: '50',
        SYN_CELL_MIGRATE_MS: '200',
        PATH: `${dir}/bin:/usr/bin:/bin`,
      },
      backup: `{ snapshot: ${snapshot} }`,
    });
  const isFrozen = async (index: 0 | 1): Promise<boolean> => {
    const client = await connectCell({ url: storage(index) });
    try {
      const info = mapOf(await client.call({ method: 'getCellInfo' }));
      return mapOf(info['cell'])['paused'] === true;
    } finally {
      client.close();
    }
  };
  const isThere = (path: string): Promise<boolean> =>
    stat(path).then(
      () => true,
      () => false,
    );
  let image: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-'));
    const [a = 0, b = 0] = await freePorts(2);
    members = [
      { name: '00.cortex', host: 'alpha', port: a },
      { name: '01.cortex', host: 'bravo', upstream: '00.cortex', port: b },
    ];
    await mkdir(join(dir, 'bin'));
    await writeFile(join(dir, 'bin/python'), TOOL, { mode: 0o755 });
    fleet = await startLocalFleet({ dir, hosts: ['alpha', 'bravo'] });
    image = await buildCellImage({ version: '2.250.0', outDir: join(dir, 'images') });
    const path = join(dir, 'fleet.yaml');
    const command = `[/bin/sh, -c, 'echo snap-1 of {member}']`;
    await writeFile(path, manifest(image, `{ command: ${command} }`));
    await fleet.carryOut(['deploy', path]);
  });
  after(async () => {
    await fleet.stop();
    for (const member of members) await killProcessesOn(storageOf(dir, member));
    await rm(dir, { recursive: true, force: true });
  });

  it('takes a snapshot while the mirror is frozen, and says how long writes stood', async () => {
    const operation = await fleet.carryOut(['backup', 'cortex', '--snapshot']);
    expect(operation.progress[0]?.note).to.match(
      /writes stood for \d+ ms; it printed: snap-1 of 01\.cortex/,
    );
    expect(await isFrozen(1)).to.equal(false);
    expect((await fleet.client.listBackups({ service: 'cortex' })).backups).to.eql([]);
  });

  it('trims the log with every mirror named, and the mirror follows on', async () => {
    const writer = await connectCell({ url: storage(0) });
    for (let count = 0; count < 20; count += 1) await writer.write(`w${count}`);
    const operation = await fleet.carryOut(['trim', 'cortex']);
    expect(operation.progress[0]?.note).to.match(/cut its log.*1 readers? ha/);
    const end = (await writer.write('after')) + 1;
    writer.close();
    const mirror = await connectCell({ url: storage(1) });
    await eventually('the mirror follows', SETTLED_MS, async () =>
      (await mirror.getPosition()) >= end ? true : undefined,
    );
    mirror.close();
  });

  it('backs up a stopped mirror with its offline tool, and proves the files', async () => {
    const ran = await fleet.cli(['backup', 'run', 'cortex', '--cold', '--member', '01.cortex']);
    expect(ran.stdout).to.match(/01\.cortex/);
    const [backup] = (await fleet.client.listBackups({ service: 'cortex' })).backups;
    expect(backup).to.deep.include({ member: '01.cortex', version: '2.250.0' });
    expect(backup?.position).to.be.greaterThan(20);
    expect(await isThere(join(backup?.path ?? '', 'cell.guid'))).to.equal(true);
    await fleet.cli(['backup', 'verify', backup?.name ?? '']);
  });

  it('optimizes the mirror, hands over, and then the old leader', async () => {
    const operation = await fleet.carryOut(['optimize', 'cortex']);
    expect(operation.moves.map(({ kind }) => kind)).to.eql(['optimize', 'hand-over', 'optimize']);
    for (const index of [0, 1] as const) {
      const mods = await readFile(join(storage(index), 'cell.mods.yaml'), 'utf8');
      expect(mods).not.to.match(/onboot/);
    }
    await fleet.carryOut(['promote', 'cortex', '--to', '00.cortex']);
  });

  /** A snapshot that goes on until it is ended; its plan. */
  const beginSlow = async (timeout: string): Promise<string> => {
    const begun = join(dir, `begun-${timeout}`);
    const path = join(dir, 'slow.yaml');
    const command = `[/bin/sh, -c, 'echo 1 > ${begun}; exec sleep 600']`;
    await writeFile(path, manifest(image, `{ command: ${command}, timeout: ${timeout} }`));
    await fleet.carryOut(['deploy', path]);
    const plan = await fleet.plan(['backup', 'cortex', '--snapshot', '--member', '01.cortex']);
    await fleet.cli(['apply', plan.id, '--no-watch', '--yes']);
    await eventually('the command runs', SETTLED_MS, async () =>
      (await isThere(begun)) ? true : undefined,
    );
    return plan.id;
  };
  const killAgent = async (): Promise<void> => {
    fleet.agent('bravo')?.signal('SIGKILL');
    await fleet.agent('bravo')?.ended;
  };
  const untilPaused = (planId: string): Promise<string> =>
    eventually('its operation says that it did not end well', SETTLED_MS, async () => {
      const { operations } = await fleet.client.listOperations({ all: true });
      const own = operations.find((one) => one.planId === planId);
      return own?.state === 'paused' ? own.id : undefined;
    });

  it('resumes a member when its agent is back before the time is over', async () => {
    const planId = await beginSlow('10m');
    expect(await isFrozen(1)).to.equal(true);
    await eventually('the status names it', SETTLED_MS, async () => {
      const { stdout } = await fleet.cli(['why', '01.cortex']);
      return /frozen/.test(stdout) ? true : undefined;
    });
    await killAgent();
    expect(await isFrozen(1)).to.equal(true);
    await fleet.startAgent('bravo');
    await eventually('the next agent resumes it', SETTLED_MS, async () =>
      (await isFrozen(1)) ? undefined : true,
    );
    await fleet.cli(['operation', 'abort', await untilPaused(planId)]);
  });

  it('resumes a member whose agent was killed and stays away', async () => {
    // A machine that is slower than this sees the agent itself end it in time: then there is nothing to resume.
    const planId = await beginSlow('15s');
    await killAgent();
    await eventually('nobody but the dead-man is there to resume it', SETTLED_MS, async () =>
      (await isFrozen(1)) ? undefined : true,
    );
    await fleet.startAgent('bravo');
    await untilPaused(planId);
  });
});
