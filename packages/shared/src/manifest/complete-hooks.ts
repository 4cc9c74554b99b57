// Boot hooks as written, in two parts: scripts that the agent writes, and files of the host that are mounted. Pure.
import type { z } from 'zod';
import type { BootHooks, Mount } from '../gen/domain.js';
import type { hooksSchema } from './container-schema.js';

/** Where the project's images look for them (devops guide, Entrypoint Hooking). */
export const HOOKS_TARGET = '/vertex/boothooks';

const NAMES = ['preboot', 'concurrent'] as const;

export function completeHooks(text: z.infer<typeof hooksSchema>): {
  readonly hooks: BootHooks | undefined;
  readonly hookMounts: readonly Mount[];
} {
  const said = NAMES.flatMap((name) => {
    const value = text[name];
    return value === undefined ? [] : [{ name, value, isPath: value.startsWith('/') }];
  });
  const scripts = said.filter(({ isPath }) => !isPath).map(({ name, value }) => [name, value]);
  return {
    hooks: scripts.length === 0 ? undefined : (Object.fromEntries(scripts) as BootHooks),
    hookMounts: said
      .filter(({ isPath }) => isPath)
      .map(({ name, value }) => ({
        source: value,
        target: `${HOOKS_TARGET}/${name}.sh`,
        readOnly: true,
      })),
  };
}
