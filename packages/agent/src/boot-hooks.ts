// The scripts that a container runs at its start, written outside its storage and mounted read-only. Must never write
// through a link or leave half a script where one can be run.
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { MemberSpec, Mount } from '@leafward/shared/gen/domain.js';
import { HOOKS_TARGET } from '@leafward/shared/manifest/complete-hooks.js';
import { syncDirectory } from './journal.js';
import type { ContainerSpec } from './runtimes/runtime.js';

export interface BootHooks {
  /** Has the scripts on the disk and returns the container with them mounted. @throws LeafwardError `failed` */
  prepare(container: ContainerSpec): Promise<ContainerSpec>;
  /** The same scripts as at its creation, where somebody took them away. */
  restore(member: string, spec: MemberSpec): Promise<void>;
}

export function createBootHooks(stateDirectory: string): BootHooks {
  const write = async (member: string, spec: MemberSpec): Promise<readonly Mount[]> => {
    const scripts = Object.entries(spec.hooks ?? {}).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    );
    if (scripts.length === 0) return [];
    const directory = join(stateDirectory, 'hooks', member);
    const paths = scripts.map(([name]) => join(directory, `${name}.sh`));
    try {
      await mkdir(directory, { recursive: true, mode: 0o755 });
      for (const [index, [, text]] of scripts.entries())
        await writeScript(paths[index] ?? '', text);
      await syncDirectory(directory);
    } catch (error) {
      throw new LeafwardError(
        'failed',
        `write the boot hooks of ${member} into ${directory}: ${messageOf(error)}; make room there, it is tried again`,
        { retry: 'later' },
      );
    }
    return scripts.map(([name], index) => ({
      source: paths[index] ?? '',
      target: `${HOOKS_TARGET}/${name}.sh`,
      readOnly: true,
    }));
  };
  return {
    async prepare(container) {
      const { member, spec } = container;
      const mounts = await write(member, spec);
      if (mounts.length === 0) return container;
      return { ...container, spec: { ...spec, mounts: [...spec.mounts, ...mounts] } };
    },
    async restore(member, spec) {
      await write(member, spec);
    },
  };
}

/** In one piece: a container mounts the file that is there, whatever replaces it later. */
async function writeScript(path: string, text: string): Promise<void> {
  const whole = text.endsWith('\n') ? text : `${text}\n`;
  if ((await readFile(path, 'utf8').catch(() => undefined)) === whole) return;
  await rm(`${path}.new`, { force: true });
  const file = await open(`${path}.new`, 'wx', 0o755);
  try {
    await file.writeFile(whole);
    // Whatever the agent's umask: the service's user runs it.
    await file.chmod(0o755);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
}
