// leafward logs and leafward synapse: what is asked of the controller, and what a person sees.
import { expect } from 'chai';
import { NOW, once, startFixture, type Fixture } from './cli-fixture.js';
import { makeChain } from './https-files.js';

const SERVICE = ['-s', 'cortex'];

describe('leafward logs', () => {
  let fixture: Fixture;
  before(async () => (fixture = await startFixture()));
  after(() => fixture.stop());

  it('shows structured lines taken apart, plain ones as they are, and tells gaps beside them', async () => {
    const { code, stdout, stderr } = await fixture.run(['logs', 'cortex']);
    expect(code).to.equal(0);
    expect(stdout).to.equal(
      '00.cortex | 2026-11-21 12:00:00.000 INFO     synapse.lib.cell: hello\n' +
        '01.cortex | a plain line\n',
    );
    expect(stderr).to.equal(
      '01.cortex: 7 lines left out: they came faster than they could be shown\n' +
        'charlie: is not connected\n',
    );
  });

  it('asks for what is wanted', async () => {
    const args = ['logs', '00.cortex', '01.cortex', '--since', '2026-11-21T11:00:00Z'];
    await fixture.run([...args, '--level', 'warning', '-o', 'json']);
    expect(fixture.asked.at(-1)?.request).to.deep.include({
      subjects: ['00.cortex', '01.cortex'],
      since: NOW - 3_600_000,
      level: 'warning',
      lines: 10_000,
      follow: false,
      records: true,
    });
  });

  it('refuses bad input with exit code 2', async () => {
    for (const bad of [
      ['--lines', '-1'],
      ['--lines', '10001'],
      ['--since', 'soon'],
      ['--level', 'x'],
    ])
      expect((await fixture.run(['logs', 'cortex', ...bad])).code, bad.join(' ')).to.equal(2);
    expect((await fixture.run(['logs'])).code).to.equal(2);
  });
});

describe('leafward synapse', () => {
  let fixture: Fixture;
  before(async () => (fixture = await startFixture()));
  after(() => fixture.stop());
  const askedLast = (): unknown => fixture.asked.at(-1)?.request;

  it('lists users and roles, and shows one with everything', async () => {
    const list = await fixture.run(['synapse', 'user', 'list', ...SERVICE]);
    expect(list.stdout).to.equal(
      'USER  STATE          ROLES  RULES\n' +
        'visi  admin, locked  all    deny node.del\n' +
        '… and 3 more; ask for one by its name\n',
    );
    const show = await fixture.run(['synapse', 'user', 'show', 'visi', ...SERVICE]);
    expect(askedLast()).to.deep.equal({
      service: 'cortex',
      act: { kind: 'list-users', name: 'visi' },
    });
    expect(show.stdout).to.equal(
      'visi (a1b2)\n  state   admin, locked\n  email   visi@example.org\n  roles   all\n' +
        '  rules   deny node.del\n  gate    c3d4: admin, allow view\n',
    );
    const roles = await fixture.run(['synapse', 'role', 'list', ...SERVICE]);
    expect(roles.stdout).to.match(/^ROLE +RULES\nall +–\n/);
  });

  it('reads a password from stdin, never from the command line', async () => {
    const context = { readSecret: () => Promise.resolve('pass word\n') };
    const add = ['synapse', 'user', 'add', 'visi', ...SERVICE];
    const given = await fixture.run([...add, '--password-stdin', '--admin'], { context });
    expect(given.code).to.equal(0);
    expect(askedLast()).to.deep.equal({
      service: 'cortex',
      act: { kind: 'add-user', name: 'visi', admin: true, roles: [], rules: [] },
      password: 'pass word',
    });
    expect(given.stdout + given.stderr).not.to.contain('pass word');
    await fixture.run(add);
    expect(askedLast()).not.to.have.property('password');
    expect((await fixture.run([...add, '--password', 'x'])).code).to.equal(2);
    const empty = { readSecret: () => Promise.resolve('\n') };
    const bad = await fixture.run([...add, '--password-stdin'], { context: empty });
    expect(bad.code).to.equal(2);
  });

  it('says which rights change, and refuses to change none', async () => {
    const grant = ['synapse', 'user', 'grant', 'visi', ...SERVICE];
    await fixture.run([...grant, '--deny', 'node.del', '--allow', 'node', '--allow', 'view']);
    expect(askedLast())
      .to.have.nested.property('act.rules')
      .that.deep.equals([
        { allow: false, path: ['node', 'del'] },
        { allow: true, path: ['node'] },
        { allow: true, path: ['view'] },
      ]);
    expect((await fixture.run(grant)).code).to.equal(2);
    expect((await fixture.run([...grant, '--allow', 'a..b'])).code).to.equal(2);
    expect((await fixture.run(['synapse', 'role', 'grant', 'readers', ...SERVICE])).code).to.equal(
      2,
    );
  });

  it('prints a one-time URL once, on a line of its own', async () => {
    const { stdout } = await fixture.run(['synapse', 'user', 'enroll', 'visi', '--again']);
    expect(askedLast()).to.deep.equal({
      service: 'aha',
      act: { kind: 'enroll-user', name: 'visi', again: true },
    });
    expect(stdout.split('\n')[0]).to.equal('ssl://aha.loop.test:27272/ab?certhash=cd');
  });

  it('checks a certificate and its key before the controller is asked', async () => {
    const { chainPem, keyPem } = makeChain({ name: 'cortex.example.org' });
    const files = { 'chain.pem': chainPem, 'key.pem': keyPem };
    const context = {
      clock: { now: () => Date.now(), monotonic: () => 0, sleep: () => Promise.resolve() },
      readInput: (path: string) => Promise.resolve(files[path as 'key.pem'] ?? ''),
    };
    const https = ['synapse', 'https-cert', '00.cortex'];
    const good = await fixture.run([...https, '--cert', 'chain.pem', '--key', 'key.pem'], {
      context,
    });
    expect(good.stdout).to.equal(
      'the certificate of cortex.example.org, good until 2026-11-22, is on host alpha, and 00.cortex uses it now\n',
    );
    const asked = fixture.asked.length;
    const bad = await fixture.run([...https, '--cert', 'key.pem', '--key', 'chain.pem'], {
      context,
    });
    expect([bad.code, fixture.asked.length]).to.deep.equal([2, asked]);
    expect(bad.stderr).to.contain('no private key in the key’s file');
  });

  it('asks before it removes', async () => {
    const remove = ['synapse', 'user', 'remove', 'visi', ...SERVICE];
    const asked = fixture.asked.length;
    const no = await fixture.run(remove, { interactive: true, answer: false });
    expect([no.code, fixture.asked.length]).to.deep.equal([3, asked]);
    expect((await fixture.run([...remove, '--yes'])).code).to.equal(0);
  });
});

describe('leafward logs -f', () => {
  it('ends with Ctrl-C, and goes on where it broke off', async () => {
    const stop = new AbortController();
    let opened = 0;
    const fixture = await startFixture({
      streamLogs: () => {
        opened += 1;
        const line = (at: number, message: string) => ({ member: 'm', at, message });
        const again = line(NOW, 'first');
        return opened === 1
          ? once({ kind: 'lines', lines: [again] })
          : once({ kind: 'lines', lines: [again, line(NOW + 1, 'second')] });
      },
    });
    const { code, stdout } = await fixture.run(['logs', 'm', '-f'], {
      signal: stop.signal,
      onWrite: (text) => {
        if (text.includes('second')) stop.abort();
      },
    });
    fixture.stop();
    expect([code, stdout]).to.deep.equal([0, 'm | first\nm | second\n']);
    expect(fixture.asked[1]?.request).to.include({ since: NOW - 10_000, lines: 10_000 });
  });
});
