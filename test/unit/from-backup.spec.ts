// A mirror of a cell made of a backup, with real files: what is its own stays its own, the role is written, and wherever it
// is cut off the same steps again end in the same storage.
import { expect } from 'chai';
import { chmod, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { engineMember } from '@leafward/agent/engines/engine-member.js';
import { createSynapseEngine } from '@leafward/agent/engines/synapse/engine.js';
import {
  areOwnFilesKept,
  bringOwnFiles,
  forgetOwnFiles,
  keepOwnFiles,
} from '@leafward/agent/own-files.js';
import { wipeStorage } from '@leafward/agent/storage-content.js';
import { writeMarker } from '@leafward/agent/marker.js';
import { mirrorIntent } from './agent-world.js';

const signal = new AbortController().signal;
const UPSTREAM = 'aha://00.cortex.loop.vertex.link';

describe('a mirror that is made of a backup', () => {
  let root: string;
  let storage: string;
  let backup: string;
  let intent: MemberIntent;
  const engine = createSynapseEngine();
  const put = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  };
  const text = (...names: string[]): Promise<string> => readFile(join(storage, ...names), 'utf8');
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'leafward-from-backup-'));
    [storage, backup] = [join(root, '01.cortex'), join(root, 'b1')];
    const base = mirrorIntent();
    intent = { ...base, spec: { ...base.spec, storage, user: undefined } };
    for (const [directory, name] of [
      [storage, '01'],
      [backup, '00'],
    ] as const) {
      await put(join(directory, 'cell.guid'), 'one');
      await put(join(directory, 'cell.yaml'), `aha:name: ${name}.cortex\n`);
      await put(join(directory, 'prov.done'), name);
      await put(join(directory, 'certs', 'hosts', `${name}.cortex.key`), `key of ${name}`);
      await put(join(directory, 'slabs', 'cell.lmdb', 'data.mdb'), `data of ${name}`);
    }
    await put(join(backup, 'cell.mods.yaml'), 'mirror: null\nnexslog:en: true\n');
    await put(join(backup, 'sslkey.pem'), 'key of 00');
    await chmod(join(storage, 'certs', 'hosts', '01.cortex.key'), 0o600);
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  const keep = async (wasBegun = false): Promise<void> => {
    if (await areOwnFilesKept(storage, { aside: `${storage}.aside-r1`, wasBegun })) return;
    await keepOwnFiles({ intent, storage, backupPath: backup, engine }, signal);
  };
  const fill = async (aside: string): Promise<void> => {
    await wipeStorage(intent.spec, signal);
    const ownPath = await bringOwnFiles(storage, aside);
    const options = { backupPath: backup, ownPath, upstreamUrl: UPSTREAM };
    await engine.fromBackup?.fill(
      engineMember(intent),
      { ...options, onProgress: () => undefined },
      signal,
    );
  };
  const expectMirror = async (): Promise<void> => {
    expect(await text('slabs', 'cell.lmdb', 'data.mdb')).to.equal('data of 00');
    expect(await text('cell.yaml')).to.include('01.cortex');
    expect(await text('prov.done')).to.equal('01');
    expect(await text('certs', 'hosts', '01.cortex.key')).to.equal('key of 01');
    const key = await stat(join(storage, 'certs', 'hosts', '01.cortex.key'));
    expect(key.mode & 0o777).to.equal(0o600);
    for (const name of ['certs/hosts/00.cortex.key', 'sslkey.pem'])
      expect(await stat(join(storage, name)).catch(() => 'none'), name).to.equal('none');
    const mods = await text('cell.mods.yaml');
    expect(mods).to.include(UPSTREAM);
    expect(mods).to.not.include('nexslog:en');
    expect(await engine.readStoredRole(engineMember(intent))).to.deep.equal({
      upstreamUrl: UPSTREAM,
    });
  };

  it('has its own name, keys and proof, and the role of a mirror', async () => {
    const aside = `${storage}.aside-r1`;
    await keep();
    await rename(storage, aside);
    await mkdir(storage);
    await fill(aside);
    await expectMirror();
    await forgetOwnFiles(storage);
    await expectMirror();
    expect(await readFile(join(aside, 'prov.done'), 'utf8')).to.equal('01');
  });

  it('finds them with what an agent moved aside before it died', async () => {
    const aside = `${storage}.aside-r1`;
    await keep();
    await rename(storage, aside);
    await keep(true);
    await mkdir(storage);
    await keep(true);
    await fill(aside);
    await expectMirror();
  });

  it('keeps them through a wipe that was cut short, and through a fill that was', async () => {
    await keep();
    await rm(join(storage, 'certs'), { recursive: true });
    await keep(true);
    await fill('/nowhere');
    await writeMarker(storage, {
      format: 1,
      service: 'cortex',
      member: '01.cortex',
      term: 1,
      seeding: { from: 'the backup b1', id: 'r1' },
    });
    await rm(join(storage, 'prov.done'));
    await keep();
    await fill('/nowhere');
    await expectMirror();
  });

  it('is none where the backup is of a network in which it has no place; nothing is touched', async () => {
    await rm(join(storage, 'prov.done'));
    const error: unknown = await keep().catch((cause: unknown) => cause);
    expect(String(error)).to.include('prov.done').and.include('nothing was touched');
    expect(await text('certs', 'hosts', '01.cortex.key')).to.equal('key of 01');
  });
});
