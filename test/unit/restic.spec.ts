// What restic prints, as 0.14.0 of Debian 12 printed it and as its manual says newer ones do, and what is made of it.
import { expect } from 'chai';
import { backupOfSnapshot, filterOf, tagsOf } from '@leafward/agent/offsite/copy-tags.js';
import { shownRepository } from '@leafward/agent/offsite/repository.js';
import { classify, errorOf } from '@leafward/agent/offsite/restic-error.js';
import {
  isAtLeast,
  parseComplaints,
  parseProgress,
  parseSnapshots,
  parseSummary,
  parseVersion,
} from '@leafward/agent/offsite/restic-output.js';
import type { Backup } from '@leafward/shared/gen/domain.js';

const STATUS =
  '{"message_type":"status","seconds_elapsed":3,"seconds_remaining":5,"percent_done":0.35783515053244275,"total_files":4,"files_done":1,"total_bytes":555745283,"bytes_done":198865197,"current_files":["/data/big","/data/sparse"]}';
const SUMMARY =
  '{"message_type":"summary","files_new":4,"files_changed":0,"files_unmodified":0,"dirs_new":2,"dirs_changed":0,"dirs_unmodified":0,"data_blobs":193,"tree_blobs":2,"data_added":314615503,"total_files_processed":4,"total_bytes_processed":555745283,"total_duration":2.3054868490000002,"snapshot_id":"7f46742b"}';
const SNAPSHOTS =
  '[{"time":"2026-11-21T22:05:53.065617616Z","tree":"18c66d26909b38f0ec80862d3c3002def37c983dc7e030609608a559ab31bb66","paths":["/tmp/rt/data","/tmp/rt/data.leafward-backup.json","/tmp/rt/data.leafward-manifest"],"hostname":"alpha","username":"root","tags":["service=cortex","name=x"],"id":"ca0d0fbd7e1a048706b3e46f7d9ec1d36b7762a251e109f228cdafb26284b246","short_id":"ca0d0fbd"}]\n';
const ABSENT =
  'Fatal: unable to open config file: stat /srv/copies/config: no such file or directory\nIs there a repository at the following location?\n/srv/copies\n';
const UNREACHED =
  'Fatal: unable to open config file: client.Head: Head "http://u:***@127.0.0.1:1/x/config": dial tcp 127.0.0.1:1: connect: connection refused\nIs there a repository at the following location?\nrest:http://u:***@127.0.0.1:1/x/\n';
const LOCKED =
  'unable to create lock in backend: repository is already locked by PID 32358 on vm by root (UID 0, GID 0)\nlock was created at 2026-11-21 22:07:23 (3.536126527s ago)\nstorage ID ac88fa6f\nthe `unlock` command can be used to remove stale locks\n';
const FULL =
  'Fatal: unable to save snapshot: write /mnt/full/r/data/1c/1c712ab016f74b489f4c5a94d91593d6e8af7cd2d8c09dd51156c9add7615a0a-tmp-3509621720: no space left on device\n';
const PANIC =
  'panic: runtime error: slice bounds out of range [16:4]\n\ngoroutine 1 [running]:\nmain.OpenRepository()\n\tgithub.com/restic/restic/cmd/restic/global.go:472 +0x385\n';

const end = (stderr: string, exitCode = 1) => ({ exitCode, stdout: '', stderr });
const backup: Backup = {
  name: 'b1',
  service: 'cortex',
  member: '01.cortex',
  host: 'bravo',
  path: '/srv/backups/b1',
  sizeBytes: 1_000_000,
  files: 12,
  position: 77,
  version: '2.113.0',
  iden: 'a'.repeat(32),
  term: 3,
  startedAt: 1_700_000_000_000,
  finishedAt: 1_700_000_060_000,
  manifestSha256: 'c'.repeat(64),
};

describe('what restic prints', () => {
  it('is progress with its bytes', () => {
    expect(parseProgress(STATUS)).to.deep.equal({
      done: 0.35783515053244275,
      bytesDone: 198865197,
      totalBytes: 555745283,
    });
    expect(parseProgress('[0:01] 68.18%  15 / 22 packs')?.done).to.be.closeTo(0.6818, 1e-9);
    for (const line of [SUMMARY, 'load indexes', '', '{', '{"message_type":"status"}'])
      expect(parseProgress(line), line).to.equal(undefined);
  });

  it('is a summary with the snapshot', () => {
    expect(parseSummary(SUMMARY)).to.deep.equal({ snapshot: '7f46742b', addedBytes: 314615503 });
    expect(parseSummary(STATUS)).to.equal(undefined);
    expect(parseSummary('{"message_type":"summary"}')).to.equal(undefined);
  });

  it('is a list of snapshots, or none, or not understood', () => {
    expect(parseSnapshots(SNAPSHOTS)).to.deep.equal([
      {
        id: 'ca0d0fbd7e1a048706b3e46f7d9ec1d36b7762a251e109f228cdafb26284b246',
        at: Date.parse('2026-11-21T22:05:53.065Z'),
        host: 'alpha',
        paths: [
          '/tmp/rt/data',
          '/tmp/rt/data.leafward-backup.json',
          '/tmp/rt/data.leafward-manifest',
        ],
        tags: ['service=cortex', 'name=x'],
      },
    ]);
    expect(parseSnapshots('null')).to.deep.equal([]);
    for (const text of ['', '{}', '[1]', '[{"id":"x"}]'])
      expect(() => parseSnapshots(text), text).to.throw();
  });

  it('is a version', () => {
    const version = parseVersion('restic 0.14.0 compiled with go1.19.8 on linux/amd64\n');
    expect(version).to.equal('0.14.0');
    expect(['0.14.0', '0.18.1', '1.0.0'].map((one) => isAtLeast(one, '0.14.0'))).to.deep.equal([
      true,
      true,
      true,
    ]);
    expect(isAtLeast('0.9.6', '0.14.0')).to.equal(false);
  });

  it('is a complaint, also where it is JSON', () => {
    const json =
      '{"message_type":"error","error":{"message":"permission denied"},"during":"archival","item":"/data/x"}';
    const exit = '{"message_type":"exit_error","code":12,"message":"Fatal: wrong password"}';
    expect(parseComplaints(`${json}\nplain\n\n${exit}\n`)).to.deep.equal([
      '/data/x: permission denied',
      'plain',
      'Fatal: wrong password',
    ]);
  });

  it('says why, by its exit code or by its words', () => {
    const cases = [
      [end(ABSENT), 'absent'],
      [end('', 10), 'absent'],
      [end(UNREACHED), 'other'],
      [end(LOCKED), 'locked'],
      [end('', 11), 'locked'],
      [end('Fatal: wrong password or no key found\n'), 'password'],
      [end('', 12), 'password'],
      [end(FULL), 'full'],
      [end('', 3), 'incomplete'],
      [end(PANIC, 2), 'other'],
    ] as const;
    for (const [found, why] of cases) expect(classify(found), found.stderr).to.equal(why);
  });

  it('is told with what to do next', () => {
    const locked = errorOf('copy b1', end(LOCKED));
    expect(locked).to.include({ code: 'unavailable', retry: 'later' });
    expect(locked.message).to.include('locked by PID 32358 on vm, for 3s');
    expect(errorOf('copy b1', end(FULL)).code).to.equal('exhausted');
    expect(errorOf('copy b1', end(FULL)).message).to.include('restic forget --prune');
    const password = errorOf('copy b1', end('Fatal: wrong password or no key found\n'));
    expect(password.message).to.include('leafward secret set');
    const panic = errorOf('copy b1', end(PANIC, 2)).message;
    expect(panic).to.include('slice bounds').and.not.to.include('goroutine');
  });
});

describe('the tags of a copy', () => {
  const snapshot = {
    id: 'ca0d0fbd',
    at: 5,
    host: 'bravo',
    paths: ['/srv/backups/b1', '/srv/backups/b1.leafward-manifest'],
    tags: tagsOf(backup),
  };

  it('say all of the backup again', () => {
    const { copies, ...found } = backupOfSnapshot(snapshot, '/srv/copies') ?? {};
    expect(found).to.deep.equal(backup);
    expect(copies?.copies).to.deep.equal([
      { repository: '/srv/copies', snapshot: 'ca0d0fbd', at: 5, tookMs: 0, addedBytes: 0 },
    ]);
    expect(filterOf({ service: 'cortex', backup: 'b1' })).to.equal(
      'leafward,service=cortex,backup=b1',
    );
  });

  it('are none of somebody else’s snapshot', () => {
    const others = [[], ['service=cortex', 'backup=b1'], ['leafward'], ['leafward', 'backup=b1']];
    for (const tags of others)
      expect(backupOfSnapshot({ ...snapshot, tags }, '/srv/copies')).to.equal(undefined);
    expect(backupOfSnapshot({ ...snapshot, paths: [] }, '/srv/copies')).to.equal(undefined);
  });

  it('never hold a comma, which would be two', () => {
    const tags = tagsOf({ ...backup, version: '1,service=other' });
    expect(tags.filter((tag) => tag.includes(','))).to.deep.equal([]);
  });
});

describe('a repository', () => {
  it('is shown without the password in its URL', () => {
    expect(shownRepository({ repository: 'rest:https://me:hush@nas:8000/x' })).to.equal(
      'rest:https://***@nas:8000/x',
    );
    expect(shownRepository({ repository: 'sftp:me@nas:/srv/x' })).to.equal('sftp:me@nas:/srv/x');
  });
});
