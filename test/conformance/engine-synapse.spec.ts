// The Synapse engine against stand-in cells as processes, of the oldest and the newest release it is made for.
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EngineMember } from '@leafward/agent/engines/engine.js';
import type { EngineParts } from '@leafward/agent/engines/engine.js';
import { engineFactories } from '@leafward/agent/engines/registry.js';
import { assert } from '@leafward/shared/assert.js';
import { buildCellImage } from '../standin/build-cell-image.js';
import { startCell, untilAnswers, type CellProcess } from '../standin/cell-process.js';
import { connectCell, type CellClient } from '../standin/client.js';
import {
  engineObligations,
  type EngineSubject,
  type Place,
  type SubjectOptions,
} from './engine.js';

const UPSTREAM: Readonly<Record<Place, Place | undefined>> = {
  leader: undefined,
  mirror: 'leader',
  leaf: 'mirror',
};

async function makeSubject(version: string, options: SubjectOptions): Promise<EngineSubject> {
  const root = await mkdtemp(join(tmpdir(), 'lw-engine-'));
  const image = await buildCellImage({ version, outDir: join(root, 'images') });
  const create = engineFactories['synapse'];
  assert(create !== undefined, 'synapse is registered');
  const engine = create({} as EngineParts);
  const running = new Map<Place, CellProcess>();
  const clients = new Map<Place, CellClient>();
  const storageOf = (place: Place): string => join(root, place);
  const urlOf = (place: Place): string => `unix://${storageOf(place)}/sock`;
  const environmentOf = (place: Place): Record<string, string> => {
    const upstream = UPSTREAM[place];
    return {
      SYN_CELL_BACKUP_MS: String(options.backupMs),
      ...(upstream === undefined ? {} : { SYN_CELL_MIRROR: urlOf(upstream) }),
    };
  };
  const client = async (place: Place): Promise<CellClient> => {
    const open = clients.get(place) ?? (await connectCell({ url: urlOf(place) }));
    clients.set(place, open);
    return open;
  };
  const end = async (place: Place, how: (cell: CellProcess) => Promise<unknown>): Promise<void> => {
    const cell = running.get(place);
    clients.get(place)?.close();
    clients.delete(place);
    running.delete(place);
    if (cell !== undefined) await how(cell);
  };
  for (const place of Object.keys(UPSTREAM)) await mkdir(join(root, place));
  return {
    engine,
    urlOf,
    member: (place) =>
      memberAt(storageOf(place), { place, image, environment: environmentOf(place) }),
    start: async (place) => {
      const cell = startCell({
        image,
        storage: storageOf(place),
        environment: environmentOf(place),
      });
      running.set(place, cell);
      await untilAnswers(cell);
    },
    stop: (place) => end(place, (cell) => cell.stop()),
    kill: (place) => end(place, (cell) => cell.kill()),
    empty: async (place) => {
      for (const name of await readdir(storageOf(place)))
        if (name !== 'backups') await rm(join(storageOf(place), name), { recursive: true });
    },
    hang: (place) => void running.get(place)?.kill('SIGSTOP'),
    write: async (place, value) => void (await (await client(place)).write(value)),
    values: async (place) => (await (await client(place)).read()).map((held) => held.value),
    close: async () => {
      for (const place of Object.keys(UPSTREAM) as Place[]) {
        engine.forget(place);
        await end(place, (cell) => cell.kill());
      }
      await rm(root, { recursive: true, force: true });
    },
  };
}

function memberAt(
  storage: string,
  of: {
    readonly place: Place;
    readonly image: string;
    readonly environment: Record<string, string>;
  },
): EngineMember {
  return {
    member: of.place,
    service: 'cortex',
    spec: {
      kind: 'synapse',
      runtime: 'process',
      image: { reference: of.image, digest: '' },
      command: ['node', '{image}', '{storage}'],
      environment: of.environment,
      mounts: [],
      storage,
      storageTarget: storage,
      networkMode: 'host',
      limits: {},
      ports: {},
      stopGraceMs: 5_000,
      engineOptions: {},
    },
  };
}

for (const version of ['2.113.0', '2.250.0']) {
  engineObligations(
    `synapse at ${version}`,
    {
      handsOver: 'gracefully',
      writesThroughMirrors: true,
      digestsEntries: true,
      backupEndsWithMember: true,
    },
    (options) => makeSubject(version, options),
  );
}
