// Backups are proven by booting a copy of them: with a whole fleet, on plain processes, each copy in a network of its
// own. What is wrong with one is found, what a killed agent leaves is taken away, and nobody who lives notices.
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Backup, Drill } from '@leafward/shared/gen/domain.js';
import { cortexManifest, storageOf, type CortexMember } from '../fleet/cortex-manifest.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { killProcessesBelow, killProcessesOn, processesOn } from '../fleet/processes.js';
import { eventually, freePorts } from '../fleet/programs.js';
import { startWriter } from '../fleet/writer.js';
import { buildCellImage } from '../standin/build-cell-image.js';

/** Somebody else has the processor meanwhile. */
const ENDS_MS = 120_000;
/** Longer than the timeout that drills are given here, and than it takes to kill an agent. */
const MIGRATES_MS = 12_000;

interface Drilled {
  readonly backup: Backup;
  readonly drill: Drill;
  readonly isRehearsal: boolean;
}

/** Why copies cannot be kept apart from the host here; undefined: they can. */
function whyNotHere(): string | undefined {
  const words = [
    '--user',
    '--map-current-user',
    '--keep-caps',
    '--net',
    '--mount',
    '--ipc',
    'true',
  ];
  const tried = spawnSync('unshare', words, { encoding: 'utf8' });
  if (tried.status === 0) return undefined;
  return tried.error?.message ?? tried.stderr.trim();
}

describe('a drill', function () {
  this.timeout(240_000);

  let dir = '';
  let fleet: LocalFleet;
  let next = '';
  let leader: CortexMember;
  let mirror: CortexMember;
  const storages = (): readonly string[] => [leader, mirror].map((one) => storageOf(dir, one));

  before(async function () {
    const why = whyNotHere();
    if (why !== undefined && process.getuid?.() !== 0) {
      console.log(`    left out: nothing can be kept apart here by this user: ${why}`);
      return this.skip();
    }
    dir = await mkdtemp(join(tmpdir(), 'leafward-'));
    const [a = 0, b = 0] = await freePorts(2);
    leader = { name: '00.cortex', host: 'alpha', port: a };
    mirror = { name: '01.cortex', host: 'bravo', upstream: '00.cortex', port: b };
    fleet = await startLocalFleet({ dir, hosts: ['alpha', 'bravo'] });
    const images = join(dir, 'images');
    const image = await buildCellImage({ version: '2.113.0', outDir: images });
    next = await buildCellImage({ version: '2.150.0', outDir: images });
    const path = join(dir, 'fleet.yaml');
    const environment = { SYN_CELL_START_MS: '50', SYN_CELL_MIGRATE_MS: String(MIGRATES_MS) };
    await writeFile(path, cortexManifest({ dir, image, members: [leader, mirror], environment }));
    await fleet.carryOut(['deploy', path]);
    const writer = startWriter({ members: { [leader.name]: storageOf(dir, leader) }, everyMs: 5 });
    await eventually('there is something to back up', ENDS_MS, async () => {
      return writer.acknowledged().length > 10;
    });
    await writer.stop();
  });

  after(async () => {
    if (dir === '') return;
    await fleet.stop();
    for (const storage of storages()) await killProcessesOn(storage);
    await killProcessesBelow(dir);
    await rm(dir, { recursive: true, force: true });
  });

  async function backUp(member: string): Promise<Backup> {
    const made = await fleet.cliJson<{ readonly backup: Backup }>([
      ...['backup', 'run', 'cortex', '--member', member],
    ]);
    return made.backup;
  }

  async function drill(
    { name }: Backup,
    options: { readonly code: number; readonly more?: readonly string[] },
  ): Promise<Drilled> {
    const args = ['backup', 'drill', name, '--timeout', '5s', ...(options.more ?? [])];
    const { stdout } = await fleet.cli([...args, '-o', 'json'], [options.code]);
    return JSON.parse(stdout) as Drilled;
  }

  const living = async (): Promise<readonly (readonly number[])[]> =>
    Promise.all(storages().map(processesOn));

  /** Directories of drills, wherever one may be. */
  async function drillsOf(member: CortexMember): Promise<readonly string[]> {
    const storage = storageOf(dir, member);
    const places = [join(storage, '..'), join(storage, 'backups')];
    const found = await Promise.all(
      places.map(async (place) =>
        (await readdir(place).catch(() => []))
          .filter((name) => name.startsWith('.leafward-drill-'))
          .map((name) => join(place, name)),
      ),
    );
    return found.flat();
  }

  for (const who of ['leader', 'mirror'] as const)
    it(`proves the backup of a ${who}, under the noses of those who live`, async () => {
      const member = who === 'leader' ? leader : mirror;
      const before = await living();
      const backup = await backUp(member.name);
      // It listens where its member does: in a network that it shared with it, it could not.
      const { drill: found, isRehearsal } = await drill(backup, { code: 0 });
      expect(isRehearsal).to.equal(false);
      expect(found).to.deep.include({ ok: true, problems: [], version: '2.113.0' });
      expect(found.position).to.be.at.least(backup.position ?? Infinity);
      expect(found.tookMs).to.be.at.least(found.copyMs);
      expect(found.bytes).to.be.greaterThan(0);
      const known = await fleet.cliJson<readonly Backup[]>(['backup', 'list', 'cortex']);
      expect(known.find(({ name }) => name === backup.name)?.drill).to.deep.equal(found);
      expect(await living(), 'the members').to.deep.equal(before);
      expect(await drillsOf(member), 'what is left').to.deep.equal([]);
      expect(await readdir(join(fleet.agentDir(member.host), 'drills'))).to.deep.equal([]);
      const members = await readdir(join(fleet.agentDir(member.host), 'members'));
      expect(members).to.deep.equal([member.name]);
      const status = await fleet.status();
      const service = status.services.find(({ service: name }) => name === 'cortex');
      expect(service?.members.map(({ state }) => state)).to.deep.equal(['leading', 'mirroring']);
    });

  it('finds another identity, a position behind and data that no cell boots from', async () => {
    const stranger = await backUp(mirror.name);
    await writeFile(join(stranger.path, 'cell.guid'), 'f'.repeat(32));
    const other = await drill(stranger, { code: 1 });
    expect(other.drill.ok).to.equal(false);
    expect(other.drill.problems.join()).to.include(`it is ${'f'.repeat(32)}, and was`);

    const behind = await backUp(mirror.name);
    await rm(join(behind.path, 'slabs/nexuslog'), { recursive: true });
    const short = await drill(behind, { code: 1 });
    expect(short.drill.problems.join()).to.include("behind the backup's");

    const dead = await backUp(mirror.name);
    await writeFile(join(dead.path, 'slabs/cell.json'), 'no JSON');
    const ended = await drill(dead, { code: 1 });
    expect(ended.drill.problems[0]).to.match(/^it ended by itself with exit code/);
    expect(ended.drill.problems.length, 'and what it printed').to.be.greaterThan(1);
    expect(await drillsOf(mirror)).to.deep.equal([]);
  });

  it('rehearses an update for longer than its timeout, proves nothing by it, and remembers it', async () => {
    const update = ['update', 'cortex', '--image', next];
    expect((await fleet.plan(update)).outlooks?.services[0]?.rehearsal).to.equal(undefined);
    const plan = await fleet.plan([...update, '--rehearse', '--rehearsal-timeout', '5s']);
    const rehearsal = plan.outlooks?.services[0]?.rehearsal;
    expect(rehearsal?.ok).to.equal(true);
    expect(rehearsal?.migrationMs).to.be.greaterThan(0);
    expect(plan.expectedDowntimeMs).to.equal(rehearsal?.readyMs);
    const known = await fleet.cliJson<readonly Backup[]>(['backup', 'list', 'cortex']);
    const booted = known.find(({ name }) => name === rehearsal?.backup);
    expect(booted?.drill?.image.version, 'what it is proven with').to.equal('2.113.0');
    fleet.controller().signal('SIGKILL');
    await fleet.controller().ended;
    await fleet.startController();
    const later = await eventually('all are in sight again', ENDS_MS, async () => {
      const made = await fleet.plan(update).catch(() => undefined);
      return made?.outlooks?.services[0];
    });
    expect(later.rehearsal).to.deep.equal(rehearsal);
  });

  it('leaves nothing behind when its agent is killed in it', async () => {
    const backup = await backUp(mirror.name);
    const cell = async (): Promise<string | undefined> => {
      const [root] = await drillsOf(mirror);
      if (root === undefined) return undefined;
      return (await processesOn(join(root, 'data'))).length > 0 ? root : undefined;
    };
    const { requestId } = await fleet.client.actOnBackup({
      ...{ kind: 'drill', backup: backup.name, image: next, timeoutMs: 60_000 },
    });
    const root = await eventually('a copy is being booted', ENDS_MS, cell, 20);
    fleet.agent(mirror.host)?.signal('SIGKILL');
    await fleet.agent(mirror.host)?.ended;
    expect(await processesOn(join(root, 'data')), 'it outlives its agent').to.not.deep.equal([]);
    await fleet.startAgent(mirror.host);
    await eventually('the next agent takes it away', ENDS_MS, async () => {
      const isThere = await stat(root).then(
        () => true,
        () => false,
      );
      return !isThere && (await processesOn(join(root, 'data'))).length === 0;
    });
    // It was begun, so it is begun again: nobody has to order it twice.
    const answer = await eventually('it is drilled after all', ENDS_MS, async () => {
      const again = await fleet.client.actOnBackup({
        ...{ kind: 'drill', backup: backup.name, image: next, timeoutMs: 60_000, requestId },
      });
      return again.outcome.state === 'running' ? undefined : again.outcome;
    });
    expect(answer.rehearsal?.ok, answer.message).to.equal(true);
    expect(await drillsOf(mirror)).to.deep.equal([]);
  });
});
