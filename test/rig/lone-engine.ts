// One Engine and one registry on a loopback of their own: for what needs a real Engine and no hosts. The
// registry is 127.0.0.1:5000 for the Engine and nothing else can reach it.
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { makeEngine, type Engine, type EngineOptions } from './engine.js';
import { buildImage, type BuiltImage, type ImageRecipe } from './image.js';
import { makeLoopback } from './network.js';
import { run, start, type RigProcess } from './processes.js';
import { startRegistry, type Registry } from './registry.js';
import { makeRigDirectory, recordPathOf, removeRemains, sweepRemains } from './remains.js';

export interface LoneEngine {
  readonly directory: string;
  readonly engine: Engine;
  readonly registry: Registry;
  buildImage(recipe: ImageRecipe): Promise<BuiltImage>;
  /** Runs a program in the Engine's network. */
  start(name: string, argv: readonly string[]): RigProcess;
  dispose(): Promise<void>;
}

export interface LoneEngineOptions extends Pick<EngineOptions, 'liveRestore'> {
  /** Gives the Engine's data a disk of its own, of this size. */
  readonly diskBytes?: number;
}

export async function startLoneEngine(options: LoneEngineOptions = {}): Promise<LoneEngine> {
  await sweepRemains();
  const directory = await makeRigDirectory();
  try {
    const prefix = basename(directory);
    const recordPath = recordPathOf(directory);
    const inNetwork = await makeLoopback(prefix);
    const { liveRestore = true, diskBytes } = options;
    const engine = makeEngine({
      liveRestore,
      ...(diskBytes === undefined ? {} : { dataRoot: await makeDisk(directory, diskBytes) }),
      directory: join(directory, 'engine'),
      recordPath,
      controlGroup: `${prefix}-engine`,
      inNetwork,
    });
    const registry = await startRegistry({
      directory: join(directory, 'registry'),
      recordPath,
      address: '127.0.0.1:5000',
      inNetwork,
    });
    await engine.start();
    return {
      directory,
      engine,
      registry,
      buildImage: (recipe) => buildImage(join(directory, 'images'), recipe),
      start: (name, argv) =>
        start(inNetwork(argv), { logPath: join(directory, `${name}.log`), recordPath }),
      dispose: () => removeRemains(directory),
    };
  } catch (error) {
    await removeRemains(directory);
    throw error;
  }
}

/** A file system in a file; it is unmounted with everything else below the rig's directory. */
async function makeDisk(directory: string, sizeBytes: number): Promise<string> {
  const file = join(directory, 'disk.img');
  const disk = join(directory, 'disk');
  await mkdir(disk);
  await run(['truncate', `--size=${sizeBytes}`, file]);
  await run(['mkfs.ext4', '-q', '-F', file]);
  await run(['mount', '-o', 'loop', file, disk]);
  return join(disk, 'data');
}
