// Certificates of cells: which files count, when their end is told, and that one that did not change is read once.
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { cellCertificates } from '@leafward/agent/checks/cell-certificates.js';
import { createCertificateReader } from '@leafward/agent/checks/read-certificates.js';
import { makeChain } from '../https-files.js';
import { makeContext, makeHost, makeMember, type FakeHost } from './fixture.js';

const DAY_MS = 24 * 3_600_000;

describe('cell-certificates', () => {
  const signal = new AbortController().signal;
  let host: FakeHost;
  let storage: string;
  beforeEach(async () => {
    host = makeHost();
    storage = await mkdtemp(join(tmpdir(), 'lw-certificates-'));
    for (const directory of ['cas', 'hosts', 'users'])
      await mkdir(join(storage, 'certs', directory), { recursive: true });
  });
  afterEach(async () => {
    host.remove();
    await rm(storage, { recursive: true, force: true });
  });
  const check = async (now = Date.now()) => {
    const members = [
      makeMember({ spec: { storage } }),
      makeMember({ member: 'x', run: 'removed' }),
    ];
    const certificates = await createCertificateReader().read(members, signal);
    return cellCertificates.run(makeContext(host, { members, now, certificates }), signal);
  };

  it('has nothing to say of a member without any', async () => {
    expect(await check()).to.deep.equal([]);
  });

  it('says which one ends first, while there is time', async () => {
    const { rootPem, chainPem } = makeChain({ name: 'cortex.example.org', days: 60 });
    await writeFile(join(storage, 'certs/cas/loop.crt'), rootPem);
    await writeFile(join(storage, 'sslcert.pem'), chainPem);
    await writeFile(join(storage, 'certs/hosts/00.cortex.key'), 'no certificate');
    const [result, ...more] = await check();
    expect(more).to.deep.equal([]);
    expect(result).to.include({ subject: '00.cortex', severity: 'ok' });
    expect(result?.seen).to.match(/^2 certificates, the first to end is sslcert\.pem on \d{4}-/);
  });

  it('warns 30 days before the end, is critical 7 days before it, and says what to do', async () => {
    const { leafPem } = makeChain({ name: 'cortex.example.org', days: 60 });
    await writeFile(join(storage, 'sslcert.pem'), leafPem);
    await writeFile(join(storage, 'certs/users/root@loop.crt'), leafPem);
    await writeFile(join(storage, 'certs/users/root@loop.key'), 'its key');
    // One that AHA signed for a user who is long gone.
    await writeFile(join(storage, 'certs/users/visi@loop.crt'), leafPem);
    const results = await check(Date.now() + 31 * DAY_MS);
    expect(results.map(({ subject, severity }) => [subject, severity])).to.deep.equal([
      ['00.cortex certs/users/root@loop.crt', 'warning'],
      ['00.cortex sslcert.pem', 'warning'],
    ]);
    expect(results.map(({ fix }) => fix.split(' ').slice(0, 3).join(' '))).to.deep.equal([
      'let AHA provision',
      'leafward synapse https-cert',
    ]);
    expect((await check(Date.now() + 54 * DAY_MS))[0]?.severity).to.equal('critical');
    expect((await check(Date.now() + 61 * DAY_MS))[0]?.seen).to.contain('has ended on');
  });

  it('cannot judge what it cannot read, and reads through no link', async () => {
    await writeFile(join(storage, 'certs/hosts/broken.crt'), 'nothing');
    await symlink('/etc/passwd', join(storage, 'certs/hosts/linked.crt'));
    for (const name of ['broken', 'linked'])
      await writeFile(join(storage, `certs/hosts/${name}.key`), 'its key');
    expect((await check()).map(({ severity, seen }) => [severity, seen])).to.deep.equal([
      ['unknown', 'certs/hosts/broken.crt: there is no certificate in it, as PEM'],
    ]);
  });
});
