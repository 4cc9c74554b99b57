// What a stand-in cell is told from outside: its storage, its version and the environment.
import { readFileSync } from 'node:fs';

export interface Settings {
  readonly storage: string;
  /** `2.113.0` */
  readonly version: string;
  /** The middle number of the version: what decides which calls and fields there are. */
  readonly minor: number;
  readonly type: string;
  /** URL under which others find this cell; handed over by a promotion. */
  readonly advertise: string;
  readonly mirror: string | undefined;
  readonly listen: string | undefined;
  readonly name: string;
  readonly mirrorUrls: readonly string[] | undefined;
  readonly backupDirectory: string;
  readonly startMs: number;
  readonly migrateMs: number;
  readonly backupMs: number;
  readonly failBackup: boolean;
}

/** Throws on a number that is none. */
export function readSettings(
  storage: string,
  version: string,
  environment: NodeJS.ProcessEnv,
): Settings {
  const milliseconds = (name: string, otherwise: number): number => {
    const text = environment[name];
    if (text === undefined || text === '') return otherwise;
    if (!/^\d+$/.test(text)) throw new Error(`${name} must be milliseconds, not ${text}`);
    return Number(text);
  };
  const text = (name: string): string | undefined => environment[name] || undefined;
  return {
    storage,
    version,
    minor: Number(version.split('.')[1]),
    type: text('SYN_CELL_TYPE') ?? 'cortex',
    advertise: text('SYN_CELL_ADVERTISE') ?? `unix://${storage}/sock`,
    mirror: text('SYN_CELL_MIRROR'),
    listen: text('SYN_CELL_LISTEN'),
    name: text('SYN_CELL_NAME') ?? '00.cortex.loop.test',
    mirrorUrls: text('SYN_CELL_MIRROR_URLS')?.split(','),
    backupDirectory: text('SYN_CELL_BACKUP_DIR') ?? `${storage}/backups`,
    startMs: milliseconds('SYN_CELL_START_MS', 300),
    migrateMs: milliseconds('SYN_CELL_MIGRATE_MS', 1_500),
    backupMs: milliseconds('SYN_CELL_BACKUP_MS', 300),
    failBackup: text('SYN_CELL_FAIL_BACKUP') === '1',
  };
}

/** One line on stderr, as the service's own. */
export function say(line: string): void {
  process.stderr.write(`${new Date().toISOString()} [INFO] ${line}\n`);
}

/** The file's text, undefined when there is none. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
