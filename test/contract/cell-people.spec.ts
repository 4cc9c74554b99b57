// Users and roles of a live stand-in cell: each act does what it says, tells it, and says no in plain words.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { actOnPeople, type PeopleOutcome } from '@leafward/agent/engines/synapse/people/act.js';
import { cellCalls } from '@leafward/agent/engines/synapse/people/cell-calls.js';
import { reloadHttps } from '@leafward/agent/engines/synapse/https/reload.js';
import { socketOf } from '@leafward/agent/engines/synapse/telepath/address.js';
import { openLink, type Link } from '@leafward/agent/engines/synapse/telepath/link.js';
import { assertCellAct, parseRule } from '@leafward/shared/cell-people.js';
import type { CellAct } from '@leafward/shared/gen/domain.js';
import { buildCellImage } from '../standin/build-cell-image.js';
import { startCell, untilAnswers, type CellProcess } from '../standin/cell-process.js';
import { failure } from '../unit/enrollment-fixture.js';

const PASSWORD = 'correct horse battery';

for (const version of ['2.113.0', '2.250.0'])
  describe(`people of a cell of ${version}`, function () {
    this.timeout(120_000);
    let root: string;
    let cell: CellProcess;
    let link: Link;
    const signal = new AbortController().signal;

    before(async () => {
      root = await mkdtemp(join(tmpdir(), 'lw-people-'));
      const image = await buildCellImage({ version, outDir: join(root, 'images') });
      const environment = { SYN_CELL_ENROLLS: 'loop.test' };
      cell = startCell({ image, storage: join(root, 'aha'), environment });
      await untilAnswers(cell);
      link = await openLink({ address: socketOf(cell.storage), deadlineMs: 5_000 }, signal);
    });
    after(async () => {
      link.close();
      await cell.kill();
      await rm(root, { recursive: true, force: true });
    });
    const act = (wanted: CellAct, password?: string): Promise<PeopleOutcome> =>
      actOnPeople(cellCalls(link, wanted.kind, signal), wanted, password);
    const changesOf = async (wanted: CellAct): Promise<readonly string[]> =>
      (await act(wanted)).people.changes;
    const rights = { admin: false, roles: [], rules: [] };

    it('adds a user with rights, and its password is in no line of the cell', async () => {
      await act({ kind: 'add-role', name: 'readers', rules: [parseRule(true, 'node.get')] });
      const { people } = await act(
        {
          kind: 'add-user',
          name: 'visi',
          email: 'visi@example.org',
          admin: false,
          roles: ['readers'],
          rules: [parseRule(false, 'node.del'), parseRule(true, 'node')],
        },
        PASSWORD,
      );
      expect(people.users[0]).to.deep.include({
        name: 'visi',
        admin: false,
        locked: false,
        email: 'visi@example.org',
        roles: ['all', 'readers'],
        rules: [parseRule(false, 'node.del'), parseRule(true, 'node')],
      });
      expect(people.changes).to.deep.equal([
        'user visi is there',
        'its password is set',
        'visi has the role readers',
        'visi: deny node.del',
        'visi: allow node',
      ]);
      expect(cell.lines().join('\n')).not.to.contain(PASSWORD);
    });

    it('changes what is not so yet, and tells a rule that an earlier one beats', async () => {
      const rules = [parseRule(true, 'node'), parseRule(true, 'node.del')];
      expect(await changesOf({ kind: 'grant-user', name: 'visi', ...rights, rules })).to.deep.equal(
        ['visi: allow node.del, but an earlier rule says deny: revoke that one'],
      );
      expect(
        await changesOf({
          kind: 'revoke-user',
          name: 'visi',
          ...rights,
          roles: ['readers'],
          rules,
        }),
      ).to.deep.equal([
        'visi has the role readers no more',
        'visi: no rule allow node any more',
        'visi: no rule allow node.del any more',
      ]);
      expect(await changesOf({ kind: 'lock-user', name: 'visi', locked: true })).to.have.length(1);
      expect(await changesOf({ kind: 'lock-user', name: 'visi', locked: true })).to.deep.equal([]);
      const { people } = await act({ kind: 'list-users' });
      expect(people.users.map(({ name, locked }) => [name, locked])).to.deep.equal([
        ['root', false],
        ['visi', true],
      ]);
    });

    it('says no in plain words', async () => {
      const add = { kind: 'add-user', name: 'visi', ...rights } as const;
      expect((await failure(act(add))).message).to.contain(
        '[already-exists] add user visi: there is such a user already (DupUserName)',
      );
      const noRole = { ...add, name: 'nix', roles: ['editors'] };
      expect((await failure(act(noRole))).message).to.contain('no role editors (NoSuchRole)');
      const gone = { kind: 'remove-user', name: 'nobody' } as const;
      expect((await failure(act(gone))).message).to.contain('no user nobody (NoSuchUser)');
      const lockRoot = { kind: 'lock-user', name: 'root', locked: true } as const;
      expect((await failure(act(lockRoot))).message).to.contain('it cannot be locked');
      const lost = { kind: 'set-password', name: 'visi' } as const;
      expect((await failure(act(lost))).message).to.contain('it was lost on its way');
      expect((await act({ kind: 'list-users' })).people.users).to.have.length(2);
    });

    it('removes users and roles', async () => {
      await act({ kind: 'remove-user', name: 'visi' });
      await act({ kind: 'remove-role', name: 'readers' });
      const all = { kind: 'remove-role', name: 'all' } as const;
      expect((await failure(act(all))).message).to.contain('it cannot be removed');
      const { people } = await act({ kind: 'list-roles' });
      expect(people.roles.map(({ name }) => name)).to.deep.equal(['all']);
    });

    it('enrols a user once, and again only when that is said', async () => {
      const first = await act({ kind: 'enroll-user', name: 'visi', again: false });
      expect(first.secret).to.match(/^ssl:\/\/aha\..*\?certhash=[0-9a-f]{64}$/);
      expect(JSON.stringify(first.people)).not.to.contain('certhash');
      const twice = await failure(act({ kind: 'enroll-user', name: 'visi', again: false }));
      expect(twice.message).to.contain('AHA knows such a user already (DupUserName)');
      const again = await act({ kind: 'enroll-user', name: 'visi', again: true });
      expect(again.secret).not.to.equal(first.secret);
    });

    it('reads its certificate again where its version can', async () => {
      const reason = await reloadHttps(cell.storage, signal);
      expect(reason).to.contain(version === '2.113.0' ? 'only when it starts' : 'NoSuchFile');
    });
  });

describe('names of a cell', () => {
  it('refuses what is no name and no permission before any cell is asked', () => {
    const add =
      (name: string): (() => void) =>
      () =>
        assertCellAct({ kind: 'add-role', name, rules: [] });
    for (const bad of ['', ' visi', 'a b', 'a/b', '-x', 'x'.repeat(65), 'a\nb'])
      expect(add(bad), JSON.stringify(bad)).to.throw('is no name for a new role');
    for (const good of ['visi', 'visi@example.org', 'svc-1', 'Zoë'])
      expect(add(good)).not.to.throw();
    for (const bad of ['', 'a..b', '.a', 'a b', 'a.'])
      expect(() => parseRule(true, bad)).to.throw();
    const old = { kind: 'lock-user', name: 'old name', locked: true } as const;
    expect(() => assertCellAct(old)).not.to.throw();
  });
});
