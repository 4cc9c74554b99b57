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
  /** What its service's leader is called in AHA's network. */
  readonly alias?: string | undefined;
  readonly mirrorUrls: readonly string[] | undefined;
  readonly backupDirectory: string;
  readonly startMs: number;
  readonly migrateMs: number;
  readonly backupMs: number;
  readonly failBackup: boolean;
  /** How long a mirror's first copy takes. */
  readonly bootstrapMs: number;
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
    type: text('SYN_CELL_TYPE') ?? (text('SYN_AHA_AHA_NETWORK') ? 'ahacell' : 'cortex'),
    advertise: text('SYN_CELL_ADVERTISE') ?? `unix://${storage}/sock`,
    mirror: text('SYN_CELL_MIRROR'),
    listen: text('SYN_CELL_LISTEN'),
    name: text('SYN_CELL_NAME') ?? '00.cortex.loop.test',
    mirrorUrls: text('SYN_CELL_MIRROR_URLS')?.split(','),
    backupDirectory: text('SYN_CELL_BACKUP_DIR') ?? `${storage}/backups`,
    startMs: milliseconds('SYN_CELL_START_MS', 300),
    migrateMs: milliseconds('SYN_CELL_MIGRATE_MS', 1_500),
    backupMs: milliseconds('SYN_CELL_BACKUP_MS', 300),
    bootstrapMs: milliseconds('SYN_CELL_BOOTSTRAP_MS', 0),
    failBackup: text('SYN_CELL_FAIL_BACKUP') === '1',
  };
}

/** One line on stderr, as the service's own: plain, or a JSON object. */
export function say(message: string, level = 'INFO'): void {
  const time = localTime(new Date());
  const logger = {
    name: 'synapse.lib.cell',
    process: 'MainProcess',
    filename: 'cell.py',
    func: 'say',
  };
  const line =
    process.env['SYN_LOG_STRUCT'] === 'true'
      ? JSON.stringify({ message, logger, level, time })
      : `${time} [${level}] ${message} [cell.py:say:MainThread:MainProcess]`;
  process.stderr.write(`${line}\n`);
}

/** `2021-06-28 15:47:54,825`, in the zone of the host. */
function localTime(at: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return `${day} ${time},${String(at.getMilliseconds()).padStart(3, '0')}`;
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
