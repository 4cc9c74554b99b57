// A certificate and its key for a cell's HTTPS API: what is taken, what is refused, and that both arrive or none.
import { createPrivateKey } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { finishHttps, installHttps } from '@leafward/agent/engines/synapse/https/install.js';
import { checkHttpsChain } from '@leafward/shared/pki/https-chain.js';
import { makeChain, type TestChain } from './https-files.js';

const DAY_MS = 24 * 3_600_000;

describe('https chain', () => {
  const now = Date.now();
  let chain: TestChain;
  let other: TestChain;
  before(() => {
    chain = makeChain({ name: 'cortex.example.org' });
    other = makeChain({ name: 'axon.example.org' });
  });
  const problemOf = (certificatePem: string, keyPem: string, at = now): string => {
    try {
      checkHttpsChain({ certificatePem, keyPem, now: at });
    } catch (error) {
      return (error as Error).message;
    }
    return 'taken';
  };

  it('takes a chain in order with the key of its first certificate', () => {
    const { subject, expiresAt } = checkHttpsChain({
      certificatePem: `# a comment\n${chain.chainPem}`,
      keyPem: chain.keyPem,
      now,
    });
    expect(subject).to.equal('cortex.example.org');
    expect(Math.round((expiresAt - now) / DAY_MS)).to.equal(90);
  });

  it('takes a certificate alone, and a chain with its root', () => {
    expect(problemOf(chain.leafPem, chain.keyPem)).to.equal('taken');
    expect(problemOf(chain.chainPem + chain.rootPem, chain.keyPem)).to.equal('taken');
  });

  it('refuses what does not belong together, in words, without anything of the key', () => {
    const { leafPem, issuerPem, rootPem, chainPem, keyPem } = chain;
    expect(problemOf(chainPem, other.keyPem)).to.contain('not the one of the first certificate');
    expect(problemOf(issuerPem + leafPem, keyPem)).to.contain('has not signed the one before it');
    expect(problemOf(leafPem + rootPem, keyPem)).to.contain('certificate 2 (Test Root)');
    expect(problemOf('', keyPem)).to.contain('no certificate in the file');
    expect(problemOf(chainPem, 'secret words')).to.contain('no private key in the key’s file');
    expect(problemOf(chainPem, 'secret words')).not.to.contain('secret words');
    const encrypted = createPrivateKey(keyPem)
      .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
      .toString();
    expect(problemOf(chainPem, encrypted)).to.contain('has a passphrase');
    const mangled = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----';
    expect(problemOf(mangled, keyPem)).to.contain('certificate 1 cannot be read');
  });

  it('refuses what is over, and what has not begun', () => {
    expect(problemOf(chain.chainPem, chain.keyPem, now + 100 * DAY_MS)).to.contain('has ended on');
    expect(problemOf(chain.chainPem, chain.keyPem, now - 2 * DAY_MS)).to.contain('begins only on');
  });
});

describe('https files', () => {
  let storage: string;
  const files = { chainPem: 'new chain\n', keyPem: 'new key\n' };
  const textOf = (name: string): Promise<string> => readFile(join(storage, name), 'utf8');
  beforeEach(async () => {
    storage = await mkdtemp(join(tmpdir(), 'lw-https-'));
    await writeFile(join(storage, 'sslcert.pem'), 'old chain\n');
    await writeFile(join(storage, 'sslkey.pem'), 'old key\n');
  });
  afterEach(() => rm(storage, { recursive: true, force: true }));

  it('replaces both, the key for its owner alone, and leaves nothing beside them', async () => {
    await installHttps(storage, files);
    expect([await textOf('sslcert.pem'), await textOf('sslkey.pem')]).to.deep.equal([
      'new chain\n',
      'new key\n',
    ]);
    expect((await stat(join(storage, 'sslkey.pem'))).mode & 0o777).to.equal(0o600);
    expect((await readdir(storage)).sort()).to.deep.equal(['sslcert.pem', 'sslkey.pem']);
  });

  it('replaces a link, and writes nothing through it', async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), 'lw-https-'));
    await writeFile(join(elsewhere, 'other'), 'kept\n');
    await rm(join(storage, 'sslkey.pem'));
    await symlink(join(elsewhere, 'other'), join(storage, 'sslkey.pem'));
    await installHttps(storage, files);
    expect(await readFile(join(elsewhere, 'other'), 'utf8')).to.equal('kept\n');
    expect(await textOf('sslkey.pem')).to.equal('new key\n');
    await rm(elsewhere, { recursive: true });
  });

  it('forgets what was cut off before both were whole', async () => {
    await mkdir(join(storage, '.leafward-https.new'));
    await writeFile(join(storage, '.leafward-https.new', 'sslkey.pem'), 'half');
    expect(await finishHttps(storage)).to.equal(false);
    expect([await textOf('sslcert.pem'), await textOf('sslkey.pem')]).to.deep.equal([
      'old chain\n',
      'old key\n',
    ]);
    expect(await readdir(storage)).to.have.length(2);
  });

  it('goes on to the end from each point after that', async () => {
    for (const left of [['sslkey.pem', 'sslcert.pem'], ['sslcert.pem'], []]) {
      await installHttps(storage, { chainPem: 'old chain\n', keyPem: 'old key\n' });
      await mkdir(join(storage, '.leafward-https'));
      for (const name of ['sslkey.pem', 'sslcert.pem']) {
        const text = name === 'sslkey.pem' ? files.keyPem : files.chainPem;
        const where = left.includes(name) ? join(storage, '.leafward-https') : storage;
        await writeFile(join(where, name), text);
      }
      expect(await finishHttps(storage)).to.equal(true);
      expect([await textOf('sslcert.pem'), await textOf('sslkey.pem')]).to.deep.equal([
        'new chain\n',
        'new key\n',
      ]);
      expect(await readdir(storage)).to.have.length(2);
    }
  });
});
