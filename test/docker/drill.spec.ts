// A backup is proven in a container of a real Engine: booted without any network, asked over its own socket, taken away.
import { expect } from 'chai';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '@leafward/shared/clock.js';
import type { Backup, Image, MemberIntent } from '@leafward/shared/gen/domain.js';
import { openDrills, type Drills } from '@leafward/agent/drill/drills.js';
import { engineMember } from '@leafward/agent/engines/engine-member.js';
import { createSynapseEngine } from '@leafward/agent/engines/synapse/engine.js';
import type { ForeignContainer } from '@leafward/agent/runtimes/runtime.js';
import { pushCellImage } from '../rig/cell-image.js';
import { requireOrSkip } from '../rig/requirements.js';
import { eventually } from '../rig/conditions.js';
import { log, signal, startEngineUnderTest, type EngineUnderTest } from './docker-subject.js';

const MEMBER = '00.cortex';
const PATIENCE = { timeoutMs: 60_000, everyMs: 50 };

describe('a drill in a container', function () {
  this.timeout(120_000);
  let under: EngineUnderTest;
  let intent: MemberIntent;
  let backup: Backup;
  let drills: Drills;
  let next: Image;

  before(async function () {
    requireOrSkip(this, 'engine');
    under = await startEngineUnderTest();
    const pull = async (version: string): Promise<Image> => {
      const { reference, digest } = await pushCellImage(under, under.registry, version);
      const image = { reference, digest, version };
      return under.runtime.pull(image, () => undefined, signal);
    };
    const image = await pull('2.113.0');
    next = await pull('2.150.0');
    const backups = join(under.directory, 'backups');
    await mkdir(backups);
    await under.storageOf(MEMBER);
    const container = under.container(MEMBER, 'obedient', {
      kind: 'synapse',
      image,
      environment: {
        SYN_CELL_START_MS: '50',
        SYN_CELL_MIGRATE_MS: '2000',
        SYN_CELL_BACKUP_DIR: '/vertex/backups',
        SYN_CELL_MIRROR: 'tcp://203.0.113.1:27492',
      },
      storageTarget: '/vertex/storage',
      backupDirectory: backups,
      mounts: [{ source: backups, target: '/vertex/backups', readOnly: false }],
      limits: { memoryBytes: 512 * 1024 * 1024 },
    });
    // It leads by its own file, whatever its environment says.
    await writeFile(join(container.spec.storage, 'cell.mods.yaml'), 'mirror: null\n');
    const { service, spec } = container;
    intent = {
      ...{ member: MEMBER, service, spec, term: 1, role: 'leader', run: 'running' },
      ...{ mirrored: false },
    } as unknown as MemberIntent;
    await under.runtime.create(container, signal);
    await under.runtime.start(MEMBER, signal);
    const engine = createSynapseEngine();
    const member = engineMember(intent);
    const fact = await eventually(
      'the cell answers',
      async () => {
        const seen = await engine.observe(member, signal);
        return seen.answered && seen.ready === true ? seen : undefined;
      },
      PATIENCE,
    );
    const name = 'b1';
    const made = await engine.backup(member, { name, onProgress: () => undefined }, signal);
    engine.forget(MEMBER);
    const { iden, position, version } = fact;
    backup = {
      ...{ name, service, member: MEMBER, host: 'alpha', path: made.path, term: 1 },
      ...{ sizeBytes: 100_000, files: 5, startedAt: 1, finishedAt: 2, manifestSha256: 'x' },
      ...{ iden, position, version },
    };
    drills = openDrills({
      stateDirectory: join(under.directory, 'state'),
      clock: systemClock,
      log,
      runtime: () => under.runtime,
      members: () => [intent],
      environmentOf: (_, { environment }) => environment,
      redact: (text) => text,
      signal,
    });
  });
  after(() => under?.dispose());

  const drillsThere = async (): Promise<readonly ForeignContainer[]> =>
    (await under.runtime.list(signal)).filter(({ drill }) => drill === true);
  const leftAt = async (): Promise<readonly string[]> =>
    (await readdir(join(under.directory, 'backups'))).filter((name) => name.startsWith('.'));

  it('proves it without a network, beside its member, and leaves nothing', async () => {
    const before = await under.runtime.inspect(MEMBER, signal);
    const { image } = intent.spec;
    const running = drills.run(
      { backup, intent, image, timeoutMs: 60_000 },
      () => undefined,
      signal,
    );
    const [container] = await eventually(
      'its container is there',
      async () => {
        const found = await drillsThere();
        return found.length > 0 ? found : undefined;
      },
      { ...PATIENCE, everyMs: 10 },
    );
    const drill = await running;
    expect(container?.name).to.match(/^leafward-drill-[0-9a-f]{8}$/);
    expect(container).to.deep.include({ networkMode: 'none', restartPolicy: 'no' });
    expect(container?.writes.join()).to.include('.leafward-drill-');
    expect(drill.problems).to.deep.equal([]);
    expect(drill).to.deep.include({ ok: true, version: '2.113.0', migrationMs: 0 });
    expect(drill.position).to.be.at.least(backup.position ?? Infinity);
    expect(await drillsThere()).to.deep.equal([]);
    expect(await leftAt()).to.deep.equal([]);
    expect(await under.runtime.inspect(MEMBER, signal)).to.deep.equal(before);
  });

  it('rehearses the next image, and says why a copy did not come up', async () => {
    const order = { backup, intent, timeoutMs: 60_000 };
    const rehearsed = await drills.run({ ...order, image: next }, () => undefined, signal);
    expect(rehearsed.problems).to.deep.equal([]);
    expect(rehearsed).to.deep.include({ ok: true, version: '2.150.0' });
    await writeFile(join(backup.path, 'slabs/cell.json'), 'no JSON');
    const { image } = intent.spec;
    const failed = await drills.run({ ...order, image }, () => undefined, signal);
    expect(failed.ok).to.equal(false);
    expect(failed.problems[0]).to.match(/^it ended by itself with exit code/);
    expect(await drillsThere()).to.deep.equal([]);
    expect(await leftAt()).to.deep.equal([]);
  });

  it('is taken away by the next agent when its own is gone', async () => {
    const stateDirectory = join(under.directory, 'state');
    const id = '0000000c';
    const root = join(under.directory, 'backups', `.leafward-drill-${id}`);
    await mkdir(join(root, 'data'), { recursive: true });
    await under.runtime.pull(under.image, () => undefined, signal);
    const container = under.container(`drill-${id}`, 'obedient', { storage: join(root, 'data') });
    const isolation = { scratch: join(root, 'away'), hidden: [], shown: [] };
    await under.runtime.create({ ...container, isolation }, signal);
    await under.runtime.start(container.member, signal);
    const record = JSON.stringify({ id, runtime: 'docker', root });
    await writeFile(join(stateDirectory, 'drills', `${id}.json`), record);
    openDrills({
      stateDirectory,
      clock: systemClock,
      log,
      runtime: () => under.runtime,
      members: () => [intent],
      environmentOf: (_, { environment }) => environment,
      redact: (text) => text,
      signal,
    });
    await eventually(
      'it is gone',
      async () => (await drillsThere()).length === 0 && (await leftAt()).length === 0,
      PATIENCE,
    );
    expect((await under.runtime.inspect(MEMBER, signal)).state).to.equal('running');
  });
});
