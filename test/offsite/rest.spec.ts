// Copies over restic's REST protocol, with a real server (rclone) on loopback: made, checked, brought back on another host;
// and a server that is away is said and harms nothing.
import { expect } from 'chai';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import { makeRestServer, type RestServer } from './rest-server.js';
import { makeRoot, openHost, removeRoot, type StageHost } from './stage.js';

const PASSWORD = 'hush-repository-of-the-test';

describe('copies over REST', function () {
  this.timeout(180_000);
  let root: string;
  let server: RestServer;
  const hostOf = (host: string): Promise<StageHost> =>
    openHost({ root, host, password: PASSWORD, repository: `rest:${server.url}cortex/` });
  beforeEach(async () => {
    root = await makeRoot();
    server = await makeRestServer(join(root, 'far'));
    await server.start();
  });
  afterEach(async () => {
    await server.stop();
    await removeRoot(root);
  });

  it('are made, checked, and brought back on another host', async () => {
    const alpha = await hostOf('alpha');
    await alpha.offsite.copy(await alpha.take('b1'), alpha.intent, alpha.turn());
    expect(await alpha.offsite.check(100, alpha.intent, alpha.turn())).to.include('nothing wrong');
    const bravo = await hostOf('bravo');
    const meant = { backup: 'b1', snapshot: '' };
    const fetched = await bravo.offsite.fetch(meant, bravo.intent, bravo.turn());
    expect(await readFile(join(fetched.path, 'cell.guid'), 'utf8')).to.equal('b1');
  });

  it('go on when the server is back', async () => {
    const alpha = await hostOf('alpha');
    await alpha.offsite.copy(await alpha.take('b1'), alpha.intent, alpha.turn());
    const next = await alpha.take('b2');
    await server.stop();
    const stop = AbortSignal.timeout(20_000); // restic itself tries for a quarter of an hour
    const failure: unknown = await alpha.offsite
      .copy(next, alpha.intent, { ...alpha.turn(), signal: stop })
      .catch((error: unknown) => error);
    if (!(failure instanceof LeafwardError)) throw new Error('it had to fail', { cause: failure });
    expect(failure.message).to.not.include(PASSWORD);
    await server.start();
    const copied = await alpha.offsite.copy(next, alpha.intent, alpha.turn());
    expect(copied.copies?.copies).to.have.length(1);
  });
});
