// Whether a database of this machine's packages is there, and how a suite says that it is not.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { POSTGRESQL_PROGRAMS } from './postgresql.js';

const PROGRAMS = {
  postgresql: { path: join(POSTGRESQL_PROGRAMS, 'postgres'), packages: 'postgresql' },
  redis: { path: '/usr/bin/redis-server', packages: 'redis-server' },
} as const;

/** For a suite's first `before`: skips it with one line. With LEAFWARD_CI=1 nothing is skipped: there it fails. */
export function requireDatabases(context: Mocha.Context, kind: keyof typeof PROGRAMS): void {
  const { path, packages } = PROGRAMS[kind];
  const missing =
    process.getuid?.() === 0
      ? existsSync(path)
        ? undefined
        : `${path} is missing (apt-get install ${packages})`
      : 'it needs root';
  if (missing === undefined) return;
  if (process.env.LEAFWARD_CI === '1') throw new Error(`cannot run here: ${missing}`);
  console.log(`      skipped: ${missing}`);
  context.skip();
}
