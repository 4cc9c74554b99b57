// leafward-controller init: the CA, the store, the configuration and the first operator's one-time URL. Refuses to
// touch a directory that holds a controller already.
import { constants } from 'node:fs';
import { mkdir, open, stat } from 'node:fs/promises';
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import { createAuthority } from './authority.js';
import { configPath, parseConfig, renderConfig, type ControllerConfig } from './config.js';
import { authorityPath, openFoundation } from './controller.js';

export interface InitOptions {
  readonly stateDir: string;
  readonly config: ControllerConfig;
  /** Name of the first operator, an admin. */
  readonly operator: string;
  readonly clock: Clock;
}

export interface Initialized {
  readonly configPath: string;
  readonly caSha256: string;
  readonly url: string;
  readonly expiresAt: number;
}

/** @throws LeafwardError `already-exists` when there is a controller in the directory. */
export async function initController(options: InitOptions): Promise<Initialized> {
  const { stateDir, clock } = options;
  const path = configPath(stateDir);
  const config = parseConfig(renderConfig(options.config), path);
  const exists = await stat(path).then(
    () => true,
    () => false,
  );
  if (exists)
    throw new LeafwardError(
      'already-exists',
      `init ${stateDir}: ${path} is there already; run it, or choose another --state-dir`,
    );
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  await createAuthority(authorityPath(stateDir), config.fleet, clock.now());
  const foundation = await openFoundation({ stateDir, config, clock });
  try {
    const { url, expiresAt } = await foundation.enrollment.invite({
      kind: 'user',
      name: options.operator,
      role: 'admin',
      ttlMs: 0,
      madeBy: 'init',
    });
    await writeOnce(path, renderConfig(config)); // last: without it nothing counts as initialized
    return { configPath: path, caSha256: foundation.authority.caSha256, url, expiresAt };
  } finally {
    await foundation.database.close();
  }
}

/** A new invitation for an admin when nobody can get in any more; needs the machine, not a certificate. */
export async function inviteAdmin(
  options: Omit<InitOptions, 'operator'> & { readonly operator: string },
): Promise<{ readonly url: string; readonly expiresAt: number }> {
  const foundation = await openFoundation(options);
  try {
    return await foundation.enrollment.invite({
      kind: 'user',
      name: options.operator,
      role: 'admin',
      ttlMs: 0,
      madeBy: 'the controller’s own machine',
    });
  } finally {
    await foundation.database.close();
  }
}

async function writeOnce(path: string, text: string): Promise<void> {
  try {
    const file = await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o644);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new LeafwardError('failed', `write ${path}: ${messageOf(error)}`, { cause: error });
  }
}
