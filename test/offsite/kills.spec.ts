// kill -9 of an agent in the middle of a copy and of bringing one back: restic ends with it, nothing half counts, and
// the next life comes to the end. Meanwhile the password is in no argument of any process (I14).
import { expect } from 'chai';
import { spawn, type ChildProcess } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CopyLife } from './copy-child.js';
import {
  makeRoot,
  namesIn,
  openHost,
  PASSWORD_VARIABLE,
  removeRoot,
  repositoryOf,
  restic,
  until,
  type StageHost,
} from './stage.js';

const PASSWORD = 'hush-repository-of-the-kills';
const MEGABYTES = 200;
const child = join(import.meta.dirname, 'copy-child.js');

describe('an agent that is killed at its copies', function () {
  this.timeout(180_000);
  let root: string;
  let alpha: StageHost;
  beforeEach(async () => {
    root = await makeRoot();
    alpha = await openHost({ root, host: 'alpha', password: PASSWORD });
  });
  afterEach(() => removeRoot(root));

  const begin = (life: Omit<CopyLife, 'root'>): ChildProcess =>
    spawn(process.execPath, [child, JSON.stringify({ root, ...life })], {
      env: { ...process.env, [PASSWORD_VARIABLE]: PASSWORD },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  const kill = async (agent: ChildProcess): Promise<void> => {
    const ended = new Promise((resolve) => agent.once('exit', resolve));
    agent.kill('SIGKILL');
    await ended;
    await until('no restic is left', async () => (await resticsOf(root)).length === 0);
  };
  const snapshots = async (): Promise<readonly unknown[]> =>
    JSON.parse(await restic(root, PASSWORD, ['snapshots', '--json'])) as readonly unknown[];

  it('has one copy in the end, and tells nobody the password', async () => {
    const backup = await alpha.take('b1', MEGABYTES);
    const agent = begin({ host: 'alpha', act: 'copy', backup: 'b1' });
    const data = join(repositoryOf(root), 'data');
    let seen = 0;
    await until('it writes data', async () => {
      for (const { commandLine } of await resticsOf(root)) {
        seen += 1;
        expect(commandLine).not.to.include(PASSWORD);
      }
      const entries = { recursive: true, withFileTypes: true } as const;
      const found = await readdir(data, entries).catch(() => []);
      return found.some((entry) => entry.isFile());
    });
    await kill(agent);
    expect(seen).to.be.above(0);
    const anew = await openHost({ root, host: 'alpha', password: PASSWORD });
    await anew.offsite.copy(backup, anew.intent, anew.turn());
    expect(await snapshots()).to.have.length(1);
    expect(await anew.offsite.check(0, anew.intent, anew.turn())).to.include('nothing wrong');
  });

  it('has brought it back whole in the end', async () => {
    const backup = await alpha.take('b1', MEGABYTES);
    await alpha.offsite.copy(backup, alpha.intent, alpha.turn());
    const bravo = await openHost({ root, host: 'bravo', password: PASSWORD });
    const agent = begin({ host: 'bravo', act: 'fetch', backup: 'b1' });
    await until('something is there', async () => (await namesIn(bravo.backups)).length > 0);
    await kill(agent);
    const anew = await openHost({ root, host: 'bravo', password: PASSWORD });
    await anew.catalogue.refresh([anew.backups]);
    const meant = { backup: 'b1', snapshot: '' };
    const fetched = await anew.offsite.fetch(meant, anew.intent, anew.turn());
    expect(fetched).to.include({ manifestSha256: backup.manifestSha256, host: 'bravo' });
    expect(await namesIn(anew.backups)).to.have.length(3);
  });
});

/** Those that have this repository in their environment. */
async function resticsOf(root: string): Promise<readonly { readonly commandLine: string }[]> {
  const found = await Promise.all(
    (await readdir('/proc'))
      .filter((name) => /^\d+$/.test(name))
      .map(async (pid) => {
        const read = (file: string): Promise<string> =>
          readFile(join('/proc', pid, file), 'utf8').catch(() => '');
        const [environment, commandLine] = [await read('environ'), await read('cmdline')];
        const isOurs = environment.includes(`RESTIC_REPOSITORY=${repositoryOf(root)}`);
        return isOurs ? [{ commandLine }] : [];
      }),
  );
  return found.flat();
}
