// Copies over SFTP, with a real sshd on loopback: made, listed, checked, brought back on another host, and taken out by
// rules; and a server that is away is said and harms nothing.
import { expect } from 'chai';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import { makeSshd, type Sshd } from './sshd.js';
import { makeRoot, openHost, removeRoot, type StageHost } from './stage.js';

const PASSWORD = 'hush-repository-of-the-test';

describe('copies over SFTP', function () {
  this.timeout(180_000);
  let root: string;
  let sshd: Sshd;
  const hostOf = (host: string, keep?: object): Promise<StageHost> =>
    openHost({
      ...{ root, host, password: PASSWORD, path: sshd.path },
      ...{ repository: `sftp:copies:${join(root, 'far', 'cortex')}`, keep },
    });
  beforeEach(async () => {
    root = await makeRoot();
    sshd = await makeSshd(root);
    await sshd.start();
  });
  afterEach(async () => {
    await sshd.stop();
    await removeRoot(root);
  });

  it('are made, checked, brought back on another host, and leave by rules', async () => {
    const alpha = await hostOf('alpha', { last: 1 });
    for (const name of ['b1', 'b2'])
      await alpha.offsite.copy(await alpha.take(name), alpha.intent, alpha.turn());
    expect(await alpha.offsite.check(100, alpha.intent, alpha.turn())).to.include('nothing wrong');
    const bravo = await hostOf('bravo');
    const meant = { backup: 'b1', snapshot: '' };
    const fetched = await bravo.offsite.fetch(meant, bravo.intent, bravo.turn());
    expect(await readFile(join(fetched.path, 'cell.guid'), 'utf8')).to.equal('b1');
    const { message } = await alpha.offsite.prune({ dryRun: false }, alpha.intent, alpha.turn());
    expect(message).to.include('1 of 2');
    const left = await bravo.offsite.list(bravo.intent, bravo.turn().signal);
    expect(left.map(({ name }) => name)).to.eql(['b2']);
  });

  it('go on when the server is back', async () => {
    const alpha = await hostOf('alpha');
    const backup = await alpha.take('b1');
    await alpha.offsite.copy(backup, alpha.intent, alpha.turn());
    const next = await alpha.take('b2');
    await sshd.stop();
    const failure: unknown = await alpha.offsite
      .copy(next, alpha.intent, alpha.turn())
      .catch((error: unknown) => error);
    if (!(failure instanceof LeafwardError)) throw new Error('it had to fail', { cause: failure });
    expect(failure.message).to.include('copies').and.not.include(PASSWORD);
    await sshd.start();
    const copied = await alpha.offsite.copy(next, alpha.intent, alpha.turn());
    expect(copied.copies?.copies).to.have.length(1);
  });
});
