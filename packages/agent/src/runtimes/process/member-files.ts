// What the process runtime keeps of a member in <state>/members/<member>/: container.json (what it was made
// from), run.json (which process it is), exit (how it ended), output.log.
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { MemberSpec } from '@leafward/shared/gen/domain.js';
import type { ContainerSpec, ForeignContainer } from '../runtime.js';

export interface Run {
  readonly pid: number;
  readonly startTicks: number;
  readonly bootId: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** Set when this agent killed it, so that its exit code is known without its wrapper. */
  readonly killed?: boolean | undefined;
}

/** Of a member that was found running by an agent without memory: its spec is known by digest only. */
export interface KeptContainer {
  readonly id: string;
  readonly member: string;
  readonly storage: string;
  readonly specDigest: string;
  readonly imageDigest: string;
  readonly container?: ContainerSpec | undefined;
}

export interface MemberFiles {
  readonly directory: string;
  readonly outputPath: string;
  readonly exitPath: string;
  readContainer(): Promise<KeptContainer | undefined>;
  writeContainer(kept: KeptContainer): Promise<void>;
  readRun(): Promise<Run | undefined>;
  writeRun(run: Run): Promise<void>;
  /** Undefined: nobody wrote it down. */
  readExitCode(): Promise<number | undefined>;
  remove(): Promise<void>;
}

export function memberFiles(root: string, member: string): MemberFiles {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$/.test(member))
    throw new LeafwardError('invalid', `${member} is no name for a member`);
  const directory = join(root, member);
  const containerPath = join(directory, 'container.json');
  const runPath = join(directory, 'run.json');
  const exitPath = join(directory, 'exit');
  return {
    directory,
    outputPath: join(directory, 'output.log'),
    exitPath,
    readContainer: () => readJson<KeptContainer>(containerPath),
    async writeContainer(kept) {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await writeJson(containerPath, kept);
    },
    readRun: () => readJson<Run>(runPath),
    writeRun: (run) => writeJson(runPath, run),
    async readExitCode() {
      const text = await readFile(exitPath, 'latin1').catch(() => '');
      return /^\d{1,3}$/.test(text) ? Number(text) : undefined;
    },
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

/** Host paths that a member, and each of its commands, may write. */
export function writesOf(spec: MemberSpec): readonly string[] {
  const mounts = spec.mounts.filter((mount) => !mount.readOnly).map((mount) => mount.source);
  const { storage, backupDirectory } = spec;
  return [storage, ...mounts, ...(backupDirectory === undefined ? [] : [backupDirectory])];
}

/** As the runtime lists it. */
export function listedMember(
  { member, storage, container }: KeptContainer,
  running: boolean,
): ForeignContainer {
  return {
    name: member,
    member,
    running,
    writes: container === undefined ? [storage] : writesOf(container.spec),
    restartPolicy: 'no',
    networkMode: container?.isolation === undefined ? 'host' : 'none',
    ...(container?.isolation === undefined ? {} : { drill: true }),
  };
}

export async function keptMembers(root: string): Promise<readonly string[]> {
  return (await readdir(root).catch(() => [])).sort();
}

async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T;
  } catch {
    return undefined;
  }
}

async function writeJson(path: string, value: object): Promise<void> {
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(JSON.stringify(value));
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
}
