// The directory that the agent and its dead-man share: deadlines one way, signs of life and stops the other. In memory
// (tmpfs) under systemd. At once and small: a deadline must be there before the leader is.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Stop {
  readonly member: string;
  /** CLOCK_BOOTTIME, milliseconds. */
  readonly atMs: number;
  readonly how: string;
}

export interface DeadmanDirectory {
  readonly path: string;
  /** @throws what the file system says. */
  write(member: string, line: string): void;
  remove(member: string): void;
  /** Lines by member, of an earlier agent too. */
  read(): ReadonlyMap<string, string>;
  /** When the dead-man looked last (CLOCK_BOOTTIME); undefined: not in this boot. */
  aliveAtMs(): number | undefined;
  /** Of this boot, oldest first. */
  stops(): readonly Stop[];
}

const SUFFIX = '.armed';
/** Lines that are read of it; a leader that is stopped a thousand times in one boot has told enough. */
const MOST_STOPS = 1000;

export function deadmanDirectory(path: string, bootId: string): DeadmanDirectory {
  const fileOf = (member: string): string => join(path, `${member}${SUFFIX}`);
  return {
    path,
    write(member, line) {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      // Not seen by the dead-man until it is whole. Not synced: after a power cut nothing of it counts.
      const draft = join(path, `.${member}.new`);
      writeFileSync(draft, line, { mode: 0o600 });
      renameSync(draft, fileOf(member));
    },
    remove: (member) => rmSync(fileOf(member), { force: true }),
    read() {
      const names = namesIn(path).filter((name) => name.endsWith(SUFFIX));
      const members = names.map((name) => name.slice(0, -SUFFIX.length));
      return new Map(members.map((member) => [member, textOf(fileOf(member))]));
    },
    aliveAtMs() {
      const [boot, at] = textOf(join(path, 'alive')).split(' ');
      return boot === bootId && at !== undefined ? Number(at) : undefined;
    },
    stops: () =>
      textOf(join(path, 'stops'))
        .split('\n')
        .slice(-MOST_STOPS)
        .flatMap((line) => {
          const [boot, at, member, how] = line.split(' ');
          return boot === bootId && member !== undefined
            ? [{ member, atMs: Number(at), how: how ?? '' }]
            : [];
        }),
  };
}

function namesIn(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // nothing was ever armed
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
