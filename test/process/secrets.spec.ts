// A secret from the operator's file to the member's environment on a real fleet, and nowhere else: every file and
// every output of every program is searched for its value (I14).
import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import type { Operation, SecretView } from '@leafward/shared/gen/domain.js';
import { cortexManifest, storageOf, type CortexMember } from '../fleet/cortex-manifest.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { killProcessesOn, processesOn } from '../fleet/processes.js';
import { eventually, freePorts, programs, runProgram } from '../fleet/programs.js';
import { buildCellImage } from '../standin/build-cell-image.js';

const NAME = 'app-password';

describe('a secret', function () {
  this.timeout(180_000);
  let dir: string;
  let given: string;
  let manifest: string;
  let fleet: LocalFleet;
  let members: readonly CortexMember[];
  const values: string[] = [];

  /** Sets a new value that was never seen before. */
  const set = async (): Promise<SecretView> => {
    const value = `hush-${randomBytes(12).toString('hex')}`;
    const path = join(given, `value-${values.length}`);
    await writeFile(path, `${value}\n`);
    values.push(value);
    return fleet.cliJson<SecretView>(['secret', 'set', NAME, '--from-file', path]);
  };
  const environmentsOf = async (member: CortexMember): Promise<readonly string[]> => {
    const pids = await processesOn(storageOf(dir, member));
    expect(pids).to.have.length.above(0);
    return Promise.all(pids.map((pid) => readFile(`/proc/${pid}/environ`, 'utf8')));
  };
  /** A host that is short of time may be silent for a moment, and no deploy begins then. */
  const untilHealthy = (): Promise<true> =>
    eventually('all hosts and members are healthy', 90_000, async () => {
      const { hosts, services } = await fleet.status();
      const rows = services.flatMap((service) => service.members);
      const isWell = rows.every(({ ready, problems }) => ready === true && problems.length === 0);
      return isWell && hosts.every(({ connected }) => connected) ? true : undefined;
    });
  const secretFiles = (host: string): Promise<string[]> =>
    readdir(join(fleet.agentDir(host), 'secrets'));

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-'));
    given = await mkdtemp(join(tmpdir(), 'leafward-given-'));
    const [a = 0, b = 0] = await freePorts(2);
    members = [
      { name: '00.cortex', host: 'alpha', port: a },
      { name: '01.cortex', host: 'bravo', upstream: '00.cortex', port: b },
    ];
    fleet = await startLocalFleet({ dir, hosts: ['alpha', 'bravo', 'charlie'] });
    await mkdir(join(dir, 'images'));
    const image = await buildCellImage({ version: '2.113.0', outDir: join(dir, 'images') });
    manifest = join(dir, 'fleet.yaml');
    const environment = { SYN_CELL_START_MS: '20' };
    const text = cortexManifest({ dir, image, members, environment });
    await writeFile(
      manifest,
      text.replace('    failover:', `      APP_PASSWORD: { secret: ${NAME} }\n    failover:`),
    );
  });
  after(async () => {
    await fleet.stop();
    for (const member of members) await killProcessesOn(storageOf(dir, member));
    for (const path of [dir, given]) await rm(path, { recursive: true, force: true });
  });

  it('that nobody has set refuses the plan and says how to set it', async () => {
    const { stdout } = await fleet.cli(['plan', 'deploy', manifest], [3]);
    expect(stdout).to.include(`leafward secret set ${NAME}`).and.to.include('APP_PASSWORD');
  });

  it('reaches the environment of its members, on their hosts only', async () => {
    expect(await set()).to.include({ name: NAME, version: 1, readable: true });
    await fleet.carryOut(['deploy', manifest]);
    for (const member of members)
      for (const environment of await environmentsOf(member))
        expect(environment.split('\0')).to.include(`APP_PASSWORD=${values[0]}`);
    for (const { host } of members) {
      expect(await secretFiles(host)).to.deep.equal([`${NAME}@1`]);
      const folder = join(fleet.agentDir(host), 'secrets');
      expect((await stat(folder)).mode & 0o777).to.equal(0o700);
      expect((await stat(join(folder, `${NAME}@1`))).mode & 0o777).to.equal(0o600);
    }
    expect(await secretFiles('charlie')).to.deep.equal([]);
    const key = await stat(join(dir, 'controller', 'secrets.key'));
    expect(key.mode & 0o777).to.equal(0o600);
  });

  it('is not removed while members use it', async () => {
    const { stderr } = await fleet.cli(['secret', 'remove', NAME], [3]);
    expect(stderr).to.include('00.cortex').and.to.include('01.cortex');
  });

  it('starts its member without a controller', async () => {
    const [leader, mirror] = members;
    if (leader === undefined || mirror === undefined) throw new Error('two members');
    await fleet.controller().stop();
    await fleet.agent('bravo')?.stop();
    await killProcessesOn(storageOf(dir, mirror));
    await fleet.startAgent('bravo');
    await eventually('the mirror runs again', 90_000, async () => {
      const pids = await processesOn(storageOf(dir, mirror));
      return pids.length > 0;
    });
    for (const environment of await environmentsOf(mirror))
      expect(environment.split('\0')).to.include(`APP_PASSWORD=${values[0]}`);
    await fleet.startController();
    await eventually('all agents are back', 90_000, async () =>
      (await fleet.status()).hosts.every((host) => host.connected),
    );
  });

  it('comes again to a host that has lost it', async () => {
    await fleet.agent('alpha')?.stop();
    await rm(join(fleet.agentDir('alpha'), 'secrets'), { recursive: true });
    await fleet.startAgent('alpha');
    await eventually('it is there again', 90_000, async () => {
      const files = await secretFiles('alpha').catch((): string[] => []);
      return files.includes(`${NAME}@1`);
    });
  });

  it('with a new value restarts its members in order, and the old value is gone', async () => {
    await untilHealthy();
    expect(await set()).to.include({ version: 2 });
    const plan = await fleet.plan(['deploy', manifest]);
    const change = { path: 'environment.APP_PASSWORD' };
    expect(plan.refusals).to.deep.equal([]);
    expect(plan.moves.map((move) => move.kind === 'recreate' && move.member)).to.deep.equal([
      '01.cortex',
      '00.cortex',
    ]);
    for (const move of plan.moves)
      expect(move.kind === 'recreate' && move.changes).to.deep.equal([
        { ...change, before: `secret ${NAME} version 1`, after: 'version 2' },
      ]);
    await fleet.carryOut(['deploy', manifest]);
    for (const member of members) {
      for (const environment of await environmentsOf(member)) {
        expect(environment.split('\0')).to.include(`APP_PASSWORD=${values[1]}`);
        expect(environment).not.to.include(values[0]);
      }
      expect(await secretFiles(member.host)).to.deep.equal([`${NAME}@2`]);
    }
    expect(await filesWith(dir, values[0])).to.deep.equal([]);
  });

  it('is in no file but those of its members, and in no output', async () => {
    const value = values[1];
    const found = await filesWith(dir, value);
    expect(found).to.have.members(
      members.flatMap(({ name, host }) => [
        `hosts/${host}/leafward/secrets/${NAME}@2`,
        `hosts/${host}/leafward/members/${name}/container.json`,
      ]),
    );
    for (const path of found) expect((await stat(join(dir, path))).mode & 0o077).to.equal(0);
    for (const output of await outputs(fleet))
      for (const each of values) expect(output).not.to.include(each);
  });

  it('can be removed when nobody uses it, and its number is not used again', async () => {
    const text = await readFile(manifest, 'utf8');
    await writeFile(manifest, text.replace(/.*APP_PASSWORD.*\n/, ''));
    await untilHealthy();
    await fleet.carryOut(['deploy', manifest]);
    await fleet.cli(['secret', 'remove', NAME]);
    expect(await fleet.cliJson<readonly SecretView[]>(['secret', 'list'])).to.deep.equal([]);
    for (const { host } of members) expect(await secretFiles(host)).to.deep.equal([]);
    for (const each of values) expect(await filesWith(dir, each)).to.deep.equal([]);
    expect(await set()).to.include({ version: 3 });
  });
});

/** Relative paths of the files below a directory that hold the text, plain or as base64. */
async function filesWith(dir: string, text = ''): Promise<readonly string[]> {
  const encoded = Buffer.from(text).toString('base64').slice(0, 20);
  const found: string[] = [];
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = await readFile(path).catch(() => Buffer.alloc(0)); // it may be gone already
    if (bytes.includes(text) || bytes.includes(encoded)) found.push(relative(dir, path));
  }
  return found;
}

/** What every program says to whoever may ask it most. */
async function outputs(fleet: LocalFleet): Promise<readonly string[]> {
  const { operations } = await fleet.client.listOperations({ all: true });
  const { plans } = await fleet.client.listPlans({});
  expect(plans).to.have.length.above(1);
  const [member = ''] = (await fleet.status()).services.flatMap((s) =>
    s.members.map((m) => m.member),
  );
  const commands = [
    ...[
      ['status'],
      ['host', 'list'],
      ['secret', 'list'],
      ['audit'],
      ['plan', 'list'],
      ['why', member],
    ],
    ...plans.map(({ id }) => ['plan', 'show', id]),
    ...operations.map(({ id }: Operation) => ['operation', 'show', id]),
    ['operation', 'list', '--all'],
  ];
  const said: string[] = [];
  for (const command of commands)
    for (const format of ['table', 'json']) {
      const { stdout, stderr } = await fleet.cli([...command, '-o', format], [0, 3]);
      said.push(stdout, stderr);
    }
  for (const host of fleet.hosts) {
    const args = ['status', '--state-dir', fleet.agentDir(host), '-o', 'json'];
    const { stdout, stderr } = await runProgram(programs.agent, args);
    said.push(stdout, stderr);
  }
  const metrics = await fetch(`http://127.0.0.1:${fleet.metricsPort}/metrics`);
  said.push(await metrics.text());
  return said;
}
