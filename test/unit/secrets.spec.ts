// Secrets: sealed so that nothing but the right key, name and version opens them; kept by an agent only as long as
// its order names them; forgotten when nobody does.
import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSecrets, type Secrets } from '@leafward/agent/secrets.js';
import { planSteps } from '@leafward/agent/plan.js';
import { secretsFor } from '@leafward/controller/secrets/deliver.js';
import { keyIdOf, seal, unseal, type StoredSecret } from '@leafward/controller/secrets/seal.js';
import { forgetUnused, versionsOf } from '@leafward/controller/secrets/uses.js';
import { openVault } from '@leafward/controller/secrets/vault.js';
import type { HostIntent, MemberIntent, SecretVariables } from '@leafward/shared/gen/domain.js';
import { createLogger } from '@leafward/shared/log.js';
import { MAX_SECRET_BYTES, secretsOfIntent } from '@leafward/shared/secrets.js';
import { specDigestOf } from '@leafward/shared/spec-digest.js';
import { World } from '../planning/model.js';
import { intentOf, memberOf, mirrorIntent, observedOf, runningOf } from './agent-world.js';

const log = createLogger('test', 'silent');
const uses = (name: string, version: number): SecretVariables => ({
  variables: { PASSWORD: { name, version } },
});
const withSecret = (intent: MemberIntent, name: string, version: number): MemberIntent => ({
  ...intent,
  spec: { ...intent.spec, secretEnvironment: uses(name, version) },
});
const orderOf = (...members: readonly MemberIntent[]): HostIntent => ({
  host: 'alpha',
  generation: 1,
  epoch: 1,
  members,
});
const stored = (name: string, version: number, sealed?: string): StoredSecret => ({
  name,
  version,
  sealed,
  keyId: 'k',
  madeAt: 1,
  madeBy: 'ann',
});
const sealed = (name: string, version: number): StoredSecret => stored(name, version, 'c2VhbGVk');

async function failureOf(act: Promise<unknown>): Promise<string> {
  return act.then(
    () => expect.fail('it should fail'),
    (error: Error) => error.message,
  );
}

describe('a sealed secret', () => {
  const key = randomBytes(32);
  const secret = { name: 'db', version: 2, plaintext: 'pässword' };
  const row = stored('db', 2, seal(key, secret));

  it('opens with its key, name and version', () => {
    expect(unseal(key, row)).to.equal('pässword');
  });
  it('never looks the same twice, and shows no value', () => {
    expect(seal(key, secret)).not.to.equal(row.sealed);
    expect(Buffer.from(row.sealed ?? '', 'base64').includes('ssword')).to.equal(false);
  });
  it('opens neither with another key nor as another name or version', () => {
    expect(unseal(randomBytes(32), row)).to.equal(undefined);
    expect(unseal(key, { ...row, name: 'other' })).to.equal(undefined);
    expect(unseal(key, { ...row, version: 3 })).to.equal(undefined);
  });
  it('does not open with any bit turned, cut off, or removed', () => {
    const bytes = Buffer.from(row.sealed ?? '', 'base64');
    for (let at = 0; at < bytes.length; at += 1) {
      const turned = Buffer.from(bytes);
      turned.writeUInt8((turned[at] ?? 0) ^ 1, at);
      expect(unseal(key, { ...row, sealed: turned.toString('base64') }), `${at}`).to.equal(
        undefined,
      );
    }
    const short = bytes.subarray(0, -1).toString('base64');
    expect(unseal(key, { ...row, sealed: short })).to.equal(undefined);
    expect(unseal(key, { ...row, sealed: undefined })).to.equal(undefined);
  });
  it('names its key without telling it', () => {
    expect(keyIdOf(key))
      .to.match(/^[0-9a-f]{16}$/)
      .and.not.equal(keyIdOf(randomBytes(32)));
  });
});

describe('the vault', () => {
  let dir: string;
  let path: string;
  const made = { name: 'db', version: 1, madeAt: 1, madeBy: 'ann' };
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-vault-'));
    path = join(dir, 'secrets.key');
  });
  afterEach(() => rm(dir, { recursive: true }));

  it('makes its key at first use, once, for its owner only', async () => {
    const vault = await openVault(path);
    expect(await readdir(dir)).to.deep.equal([]);
    await Promise.all([vault.ready(), vault.ready()]);
    expect((await stat(path)).mode & 0o777).to.equal(0o600);
    const secret = vault.seal(made, 'hush');
    expect((await openVault(path)).unseal(secret)).to.equal('hush');
  });
  it('says of a secret of another key that it cannot be read, and delivers the others', async () => {
    const vault = await openVault(path);
    await vault.ready();
    const mine = vault.seal(made, 'hush');
    const lost = { ...mine, name: 'lost' };
    expect(vault.unseal(lost)).to.equal(undefined);
    const order = orderOf(
      withSecret(intentOf({ member: 'a' }), 'db', 1),
      withSecret(intentOf({ member: 'b' }), 'lost', 1),
      withSecret(intentOf({ member: 'c' }), 'unknown', 1),
    );
    const given = secretsFor({ vault, secrets: () => [mine, lost], log }, order);
    expect(given).to.deep.equal([{ name: 'db', version: 1, plaintext: 'hush' }]);
  });
  it('refuses a key that others can read, and one that is damaged', async () => {
    await writeFile(path, randomBytes(32), { mode: 0o600 });
    await chmod(path, 0o640);
    expect(await failureOf(openVault(path))).to.include('chmod 600');
    await chmod(path, 0o600);
    await writeFile(path, 'short');
    expect(await failureOf(openVault(path))).to.include('damaged');
  });
});

describe('what is known of secrets', () => {
  const world = (order: HostIntent) => {
    const snapshot = new World(['alpha']).snapshot();
    const [alpha] = Object.values(snapshot.hosts);
    if (alpha === undefined) throw new Error('no host');
    return { ...snapshot, hosts: { alpha: { ...alpha, intent: order } } };
  };

  it('is their newest version, without removed ones', () => {
    const secrets = [
      sealed('a', 1),
      sealed('a', 2),
      sealed('b', 1),
      stored('b', 2),
      stored('c', 1),
    ];
    expect(versionsOf(secrets)).to.deep.equal({ a: 2 });
    expect(versionsOf([stored('c', 1)])).to.equal(undefined);
  });
  it('is forgotten when it is old and no order names it', () => {
    const secrets = [sealed('a', 1), sealed('a', 2), sealed('a', 3)];
    const order = orderOf(withSecret(intentOf(), 'a', 2));
    expect(forgetUnused(world(order), secrets)).to.deep.equal([
      { kind: 'forget-secret', name: 'a', version: 1 },
    ]);
    expect(forgetUnused(world(orderOf()), secrets)).to.have.length(2);
  });
  it('is asked for by members that run or may run, once each', () => {
    const order = orderOf(
      withSecret(intentOf({ member: 'a' }), 'x', 1),
      withSecret(intentOf({ member: 'b' }), 'x', 1),
      withSecret(intentOf({ member: 'c', run: 'stopped' }), 'w', 1),
      withSecret(intentOf({ member: 'd', run: 'retired' }), 'y', 1),
      withSecret(intentOf({ member: 'e', run: 'removed' }), 'z', 1),
    );
    expect(secretsOfIntent(order).map(({ name }) => name)).to.deep.equal(['w', 'x']);
  });
  it('counts with its version in the digest of a spec; a spec without one keeps its digest', () => {
    const { spec } = intentOf();
    const digest = (version: number): string =>
      specDigestOf({ ...spec, secretEnvironment: uses('a', version) });
    expect(digest(1)).not.to.equal(digest(2));
    expect(specDigestOf({ ...spec, secretEnvironment: undefined })).to.equal(specDigestOf(spec));
  });
});

describe('the agent’s plan with secrets', () => {
  const missing = { missingSecrets: [{ name: 'db', version: 2 }] };
  const planned = (member: ReturnType<typeof memberOf>) => {
    const [plan] = planSteps(observedOf(member));
    return { steps: plan?.steps.map(({ kind }) => kind), waits: plan?.waits.map((w) => w.code) };
  };

  it('makes nothing while one is missing, and says which', () => {
    const member = memberOf(mirrorIntent(), missing);
    expect(planned(member)).to.deep.equal({ steps: [], waits: ['secret-missing'] });
    const [plan] = planSteps(observedOf(member));
    expect(plan?.waits[0]?.message).to.include('db (version 2)');
  });
  it('leaves the old one running while the new one’s is missing', () => {
    const old = mirrorIntent();
    const changed = { ...old, spec: { ...old.spec, secretEnvironment: uses('db', 2) } };
    const specDigest = specDigestOf(changed.spec);
    const member = { ...runningOf(old, missing), intent: changed, specDigest };
    expect(planned(member)).to.deep.equal({ steps: [], waits: ['secret-missing'] });
  });
});

describe('an agent’s secrets', () => {
  let dir: string;
  let folder: string;
  let secrets: Secrets;
  const value = (name: string, version: number, plaintext: string) => ({
    name,
    version,
    plaintext,
  });
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-secrets-'));
    folder = join(dir, 'secrets');
    secrets = await openSecrets(folder, log);
  });
  afterEach(() => rm(dir, { recursive: true }));

  it('lie in files of their owner, and outlive the agent', async () => {
    await secrets.keep(value('db', 1, 'hush hush\n'));
    expect((await stat(folder)).mode & 0o777).to.equal(0o700);
    expect((await stat(join(folder, 'db@1'))).mode & 0o777).to.equal(0o600);
    expect(await readdir(folder)).to.deep.equal(['db@1']);
    const again = await openSecrets(folder, log);
    const { spec } = withSecret(intentOf(), 'db', 1);
    expect(again.missing(spec)).to.deep.equal([]);
    expect(again.environmentOf('m', { ...spec, environment: { A: 'b' } })).to.deep.equal({
      A: 'b',
      PASSWORD: 'hush hush\n',
    });
  });
  it('are missing by version, and never an empty value', async () => {
    await secrets.keep(value('db', 1, 'hush'));
    const { spec } = withSecret(intentOf(), 'db', 2);
    expect(secrets.missing(spec)).to.deep.equal([{ name: 'db', version: 2 }]);
    expect(() => secrets.environmentOf('m', spec)).to.throw('db@2');
  });
  it('leave when no order names them', async () => {
    await secrets.keep(value('db', 1, 'hush'));
    await secrets.keep(value('db', 2, 'rush'));
    await secrets.retain([{ name: 'db', version: 2 }]);
    expect(await readdir(folder)).to.deep.equal(['db@2']);
    expect(secrets.missing(withSecret(intentOf(), 'db', 1).spec)).to.have.length(1);
  });
  it('are not taken with a name that leads elsewhere, or without a value', async () => {
    await secrets.keep(value('../out', 1, 'hush'));
    await secrets.keep(value('db', 1, ''));
    await secrets.keep(value('db', 2, 'x'.repeat(MAX_SECRET_BYTES + 1)));
    expect(await readdir(folder)).to.deep.equal([]);
    expect(await readdir(dir)).to.deep.equal(['secrets']);
  });
  it('drop a write that was cut off', async () => {
    await writeFile(join(folder, 'db@1.new'), 'hu');
    await openSecrets(folder, log);
    expect(await readdir(folder)).to.deep.equal([]);
  });
  it('serve members even when the disk takes nothing, until the agent ends', async () => {
    await rm(folder, { recursive: true });
    await writeFile(folder, 'in the way');
    await secrets.keep(value('db', 1, 'hush'));
    expect(secrets.missing(withSecret(intentOf(), 'db', 1).spec)).to.deep.equal([]);
    expect(await readFile(folder, 'utf8')).to.equal('in the way');
  });
  it('are taken out of what is told, also after they have left', async () => {
    await secrets.keep(value('a', 1, 'hush'));
    await secrets.keep(value('b', 1, 'hush-and-more'));
    await secrets.keep(value('c', 1, 'x'));
    await secrets.retain([]);
    expect(secrets.redact('login x with hush-and-more, hush failed')).to.equal(
      'login x with [hidden], [hidden] failed',
    );
  });
  it('are taken out however many passwords operators set meanwhile', async () => {
    for (let number = 0; number < 1500; number += 1) secrets.hide(`password-${number}-`);
    await secrets.keep(value('a', 1, 'hush'));
    expect(secrets.redact('hush password-1499- password-0-')).to.equal(
      '[hidden] [hidden] password-0-',
    );
  });
});
