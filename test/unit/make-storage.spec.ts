// Storages are made for members that begin, and never for a leader that has led before: its volume is not mounted then.
import { expect } from 'chai';
import { chmod, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { makeFirstStorage } from '@leafward/agent/make-storage.js';
import { intentOf } from './agent-world.js';

describe('a member’s first storage', () => {
  let directory = '';
  let storage = '';
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'leafward-make-'));
    storage = join(directory, '00.cortex', 'storage');
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const modeOf = async (): Promise<string | undefined> =>
    stat(storage).then(
      ({ mode }) => (mode & 0o777).toString(8),
      () => undefined,
    );
  const make = (over: Partial<MemberIntent>): Promise<void> => {
    const intent = intentOf(over);
    const spec = { ...intent.spec, runtime: 'docker' as const, user: undefined, storage };
    return makeFirstStorage({ ...intent, spec });
  };

  it('is made closed to others, for a leader in its first term and for any mirror', async () => {
    await make({ role: 'leader', term: 1 });
    expect(await modeOf()).to.equal('700');
    await rm(storage, { recursive: true });
    await make({ role: 'mirror', term: 7 });
    expect(await modeOf()).to.equal('700');
  });

  it('is not made for a leader of a later term', async () => {
    await make({ role: 'leader', term: 2 });
    expect(await modeOf()).to.equal(undefined);
  });

  it('stays as it is where there is one', async () => {
    await make({ role: 'mirror', term: 1 });
    await chmod(storage, 0o755);
    await make({ role: 'mirror', term: 1 });
    expect(await modeOf()).to.equal('755');
  });
});
