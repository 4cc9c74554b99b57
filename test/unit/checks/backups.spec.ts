// Checks on backups: who gets at them, and ones that are gone.
import { chmodSync, mkdirSync } from 'node:fs';
import { expect } from 'chai';
import { backupAccess } from '@leafward/agent/checks/backup-access.js';
import { backupGone } from '@leafward/agent/checks/backup-gone.js';
import type { Backup } from '@leafward/shared/gen/domain.js';
import { makeHost, makeMember, runCheck, type FakeHost } from './fixture.js';

describe('checks on backups', () => {
  let host: FakeHost;
  beforeEach(() => (host = makeHost()));
  afterEach(() => host.remove());

  it('judge each directory once, and one that is out of reach or not there yet as closed', async () => {
    const storage = host.path('srv/storage');
    const backupDirectory = host.path('srv/backups');
    mkdirSync(backupDirectory, { recursive: true });
    chmodSync(backupDirectory, 0o777);
    chmodSync(host.root, 0o700);
    const members = [
      makeMember({ spec: { storage, backupDirectory } }),
      makeMember({ member: '01.cortex', spec: { storage, backupDirectory } }),
      makeMember({ member: '02.cortex', spec: { storage } }),
      makeMember({ member: '03.cortex', run: 'removed', spec: { storage: '/nowhere' } }),
    ];
    const results = await runCheck(backupAccess, host, { members });
    expect(results.map(({ subject, severity }) => [subject, severity])).to.deep.equal([
      [backupDirectory, 'ok'],
      [`${storage}/backups`, 'ok'],
    ]);
  });

  it('tell of one that is gone, and how that is put right', async () => {
    const gone: Backup = {
      ...{ name: 'b1', service: 'cortex', member: '00.cortex', host: 'alpha', path: '/b/b1' },
      ...{ sizeBytes: 1, files: 1, term: 1, startedAt: 0, finishedAt: 0, manifestSha256: '' },
    };
    const [result, ...more] = await runCheck(backupGone, host, { goneBackups: [gone] });
    expect(more).to.deep.equal([]);
    expect(result).to.include({ subject: 'cortex/b1', severity: 'warning' });
    expect(result?.fix).to.include('rm -f /b/b1.leafward-backup.json');
    expect(await runCheck(backupGone, host, {})).to.deep.equal([]);
  });
});
