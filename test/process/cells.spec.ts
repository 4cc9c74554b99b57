// What operators do with cells beside plans, on a real fleet: their logs in one stream, their users, an enrolment, a
// certificate of one's own. Passwords, keys and one-time URLs are searched for in every file and output (I14).
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { expect } from 'chai';
import type { AuditRow, CellPeople, InstallHttpsResponse } from '@leafward/shared/gen/domain.js';
import { cortexManifest, storageOf, type CortexMember } from '../fleet/cortex-manifest.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { killProcessesOn } from '../fleet/processes.js';
import { eventually, freePorts, programs, startProgram, type Program } from '../fleet/programs.js';
import { buildCellImage } from '../standin/build-cell-image.js';
import { connectCell } from '../standin/client.js';
import { makeChain } from '../unit/https-files.js';

const PASSWORD = 'correct horse battery staple';
const SERVICE = ['--service', 'cortex'];

interface ShownLine {
  readonly member: string;
  readonly at: string;
  readonly level?: string;
  readonly logger?: string;
  readonly message: string;
  readonly record?: object;
}

describe('cells as operators use them', function () {
  this.timeout(240_000);
  let dir: string;
  let fleet: LocalFleet;
  let members: readonly CortexMember[];
  let storages: readonly string[];
  let follower: Program;

  const say = async (storage: string, message: string, level = 'INFO'): Promise<void> => {
    const cell = await connectCell({ url: storage });
    await cell.call({ method: 'addTestLog', args: [level, message] });
    cell.close();
  };
  const linesOf = (text: string): readonly ShownLine[] =>
    text
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as ShownLine);
  /** Messages of the test that the follower has shown, in its order. */
  const shown = async (): Promise<readonly string[]> =>
    linesOf(await readFile(follower.logPath, 'utf8')).flatMap(
      ({ message }) => /test-\S+/.exec(message)?.[0] ?? [],
    );
  const untilShown = (what: string): Promise<true> =>
    eventually(`${what} is shown`, 90_000, async () =>
      (await shown()).includes(what) ? true : undefined,
    );
  const cliWith = (stdin: string, args: readonly string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      const env = { ...process.env, NO_COLOR: '1', LEAFWARD_HOME: join(dir, 'operator') };
      const child = spawn(process.execPath, [programs.cli, ...args], { env });
      let text = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
      child.once('close', (code) => (code === 0 ? resolve(text) : reject(new Error(text))));
      child.stdin.end(stdin);
    });
  /** Files below the test's directory that hold this text. */
  const filesWith = async (word: string): Promise<readonly string[]> => {
    const entries = await readdir(dir, { recursive: true, withFileTypes: true });
    const found: string[] = [];
    for (const entry of entries.filter((one) => one.isFile())) {
      const path = join(entry.parentPath, entry.name);
      const bytes = await readFile(path).catch(() => Buffer.alloc(0));
      if (bytes.includes(word)) found.push(relative(dir, path));
    }
    return found;
  };

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'lw-cells-'));
    const [a = 0, b = 0] = await freePorts(2);
    members = [
      { name: '00.cortex', host: 'alpha', port: a, environment: { SYN_LOG_STRUCT: 'true' } },
      { name: '01.cortex', host: 'bravo', upstream: '00.cortex', port: b },
    ];
    storages = members.map((member) => storageOf(dir, member));
    fleet = await startLocalFleet({ dir, hosts: ['alpha', 'bravo'] });
    await mkdir(join(dir, 'images'));
    const image = await buildCellImage({ version: '2.150.0', outDir: join(dir, 'images') });
    const manifest = join(dir, 'fleet.yaml');
    const environment = { SYN_CELL_START_MS: '20', SYN_CELL_ENROLLS: 'loop.test' };
    await writeFile(manifest, cortexManifest({ dir, image, members, environment }));
    await fleet.carryOut(['deploy', manifest]);
    follower = startProgram({
      name: 'leafward logs',
      script: programs.cli,
      args: ['logs', 'cortex', '-f', '--lines', '50', '-o', 'json'],
      logPath: join(dir, 'followed'),
      environment: { LEAFWARD_HOME: join(dir, 'operator') },
    });
  });
  after(async () => {
    await follower?.stop();
    await fleet.stop();
    for (const storage of storages) await killProcessesOn(storage);
    await rm(dir, { recursive: true, force: true });
  });

  it('shows lines of two hosts in one order, as they come', async () => {
    const [alpha = '', bravo = ''] = storages;
    for (const [index, storage] of [alpha, bravo, alpha, bravo].entries()) {
      await say(storage, `test-${index + 1}`, index === 2 ? 'ERROR' : 'INFO');
      await untilShown(`test-${index + 1}`);
    }
    expect(await shown()).to.deep.equal(['test-1', 'test-2', 'test-3', 'test-4']);
    const lines = linesOf(await readFile(follower.logPath, 'utf8'));
    const of = (word: string): ShownLine | undefined =>
      lines.find(({ message }) => message.includes(word));
    expect(of('test-3')).to.deep.include({
      member: '00.cortex',
      level: 'error',
      logger: 'synapse.lib.cell',
      message: 'test-3',
    });
    expect(of('test-3')?.record).to.include({ message: 'test-3', level: 'ERROR' });
    expect(of('test-4'))
      .to.include({ member: '01.cortex', level: 'info' })
      .and.not.have.property('record');
    expect(of('test-4')?.message).to.match(/^\d{4}-.* \[INFO\] test-4 \[cell\.py:/);
  });

  it('goes on after the controller and an agent began anew, and shows nothing twice', async () => {
    const [alpha = '', bravo = ''] = storages;
    await fleet.controller().stop();
    await say(alpha, 'test-5');
    await fleet.startController();
    await untilShown('test-5');
    await fleet.agent('bravo')?.stop();
    await say(bravo, 'test-6');
    await fleet.startAgent('bravo');
    await untilShown('test-6');
    await say(alpha, 'test-7');
    await untilShown('test-7');
    expect([...(await shown())].sort()).to.deep.equal(
      [1, 2, 3, 4, 5, 6, 7].map((number) => `test-${number}`),
    );
  });

  it('shows what there was in one order, by level, and says which members there are', async () => {
    const past = await fleet.cli(['logs', 'cortex', '--since', '1h', '-o', 'json']);
    const words = linesOf(past.stdout).flatMap(
      ({ message }) => /test-\S+/.exec(message)?.[0] ?? [],
    );
    expect(words).to.deep.equal([1, 2, 3, 4, 5, 6, 7].map((number) => `test-${number}`));
    const { stdout } = await fleet.cli(['logs', '00.cortex', '--since', '1h', '--level', 'error']);
    expect(stdout).to.match(/^00\.cortex \| \S+ \S+ ERROR\s+synapse\.lib\.cell: test-3$/m);
    expect(stdout).not.to.contain('test-1');
    const { stderr } = await fleet.cli(['logs', '07.cortex'], [1]);
    expect(stderr).to.contain('there are: 00.cortex, 01.cortex');
    await fleet.cli(['logs', '00.cortex', '--level', 'loud'], [2]);
  });

  it('adds, grants, locks and lists users, and knows no password afterwards', async () => {
    await fleet.cli(['synapse', 'role', 'add', 'readers', ...SERVICE, '--allow', 'node.get']);
    const add = ['synapse', 'user', 'add', 'visi', ...SERVICE, '--password-stdin'];
    const added = await cliWith(`${PASSWORD}\n`, add);
    expect(added).to.equal('user visi is there\nits password is set\n');
    const grant = ['grant', 'visi', ...SERVICE, '--role', 'readers', '--deny', 'node.del'];
    await fleet.cli(['synapse', 'user', ...grant]);
    await fleet.cli(['synapse', 'user', 'lock', 'visi', ...SERVICE]);
    const people = await fleet.cliJson<CellPeople>(['synapse', 'user', 'list', ...SERVICE]);
    expect(people.users.find(({ name }) => name === 'visi')).to.deep.include({
      locked: true,
      roles: ['all', 'readers'],
      rules: [{ allow: false, path: ['node', 'del'] }],
    });
    const { stderr } = await fleet.cli(['synapse', 'user', 'add', 'visi', ...SERVICE], [1]);
    expect(stderr).to.contain('there is such a user already (DupUserName)');
    await fleet.cli(['synapse', 'user', 'add', 'a b', ...SERVICE], [2]);
    expect(await filesWith(PASSWORD)).to.deep.equal([]);
  });

  it('tells a one-time URL once, to the operator only', async () => {
    const enroll = ['synapse', 'user', 'enroll', 'ada', ...SERVICE];
    const { stdout } = await fleet.cli(enroll);
    const [, iden = ''] =
      /^ssl:\/\/aha\.loop\.test:27272\/([0-9a-f]{32})\?certhash=/.exec(stdout) ?? [];
    expect(iden).to.have.length(32);
    expect((await fleet.cli(enroll, [1])).stderr).to.contain('--again');
    // The cell itself has written it down: into its data, and into its own output, where it is hidden from operators.
    const own = (path: string): boolean =>
      path.endsWith('/output.log') || path.includes('.cortex/slabs/');
    const found = await filesWith(iden);
    expect(found.filter((path) => !own(path))).to.deep.equal([]);
    const { stdout: log } = await fleet.cli(['logs', '00.cortex', '--since', '1h']);
    expect(log).to.contain('Created user provisioning for ada with iden [hidden]');
    const audit = await fleet.cliJson<readonly AuditRow[]>(['audit']);
    const rows = audit.filter(({ subject }) => subject === 'cortex ada');
    expect(rows.map(({ what }) => what)).to.deep.equal(Array(2).fill('enroll-user of a cell'));
    expect(rows.filter(({ result }) => result === 'done')).to.have.length(1);
  });

  it('installs a certificate with its key, which is in its storage and nowhere else', async () => {
    const [alpha = ''] = storages;
    const given = await mkdtemp(join(tmpdir(), 'lw-given-'));
    const { chainPem, keyPem } = makeChain({ name: 'cortex.example.org' });
    const [cert, key] = [join(given, 'chain.pem'), join(given, 'key.pem')];
    await writeFile(cert, chainPem);
    await writeFile(key, keyPem);
    const files = ['--cert', cert, '--key', key];
    const done = await fleet.cliJson<InstallHttpsResponse>([
      ...['synapse', 'https-cert', '00.cortex'],
      ...files,
    ]);
    expect(done.installed).to.include({ subject: 'cortex.example.org', reloaded: true });
    expect((await stat(join(alpha, 'sslkey.pem'))).mode & 0o777).to.equal(0o600);
    expect(await readFile(join(alpha, 'sslcert.pem'), 'utf8')).to.equal(chainPem);
    const line = keyPem.split('\n')[3] ?? '';
    expect(await filesWith(line)).to.deep.equal([relative(dir, join(alpha, 'sslkey.pem'))]);
    const swapped = ['--cert', key, '--key', cert];
    const { stderr } = await fleet.cli(['synapse', 'https-cert', '00.cortex', ...swapped], [2]);
    expect(stderr).to.contain('no certificate in the file');
    await rm(given, { recursive: true });
  });
});
