// Which members this host's agent has frozen: a small file for each, which whoever resumes it reads, the agent or the
// dead-man beside it. A freeze ends with its host's boot, so nothing of it is synced.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface FreezeRecord {
  readonly member: string;
  /** Its socket lies in it. */
  readonly storage: string;
  readonly bootId: string;
  /** CLOCK_BOOTTIME, milliseconds: whoever finds it then resumes the member. */
  readonly resumeAtMs: number;
  /** False: it was asked for, and whether it came is not known. */
  readonly isFrozen: boolean;
}

const SUFFIX = '.frozen.json';
const WATCHER_SUFFIX = '.watched';

export interface FreezeDirectory {
  readonly path: string;
  /** @throws what the file system says. */
  write(record: FreezeRecord): void;
  read(member: string): FreezeRecord | undefined;
  members(): readonly string[];
  remove(member: string): void;
  /** Of the process that will resume it; undefined: there is none. */
  watcher(member: string): number | undefined;
  setWatcher(member: string, pid: number | undefined): void;
}

export function freezeDirectory(path: string): FreezeDirectory {
  const fileOf = (member: string): string => join(path, `${member}${SUFFIX}`);
  const watcherOf = (member: string): string => join(path, `${member}${WATCHER_SUFFIX}`);
  return {
    path,
    write(record) {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      const draft = join(path, `.${record.member}.new`);
      writeFileSync(draft, JSON.stringify(record), { mode: 0o600 });
      renameSync(draft, fileOf(record.member));
    },
    read: (member) => recordIn(textOf(fileOf(member))),
    members() {
      try {
        const names = readdirSync(path).filter((name) => name.endsWith(SUFFIX));
        return names.map((name) => name.slice(0, -SUFFIX.length));
      } catch {
        return []; // nothing was ever frozen
      }
    },
    remove: (member) => rmSync(fileOf(member), { force: true }),
    watcher(member) {
      const text = textOf(watcherOf(member));
      return text === undefined ? undefined : Number(text);
    },
    setWatcher(member, pid) {
      if (pid === undefined) rmSync(watcherOf(member), { force: true });
      else writeFileSync(watcherOf(member), String(pid), { mode: 0o600 });
    },
  };
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** Undefined: there is none, or one that an agent of another release wrote. */
function recordIn(text: string | undefined): FreezeRecord | undefined {
  if (text === undefined) return undefined;
  try {
    const read = JSON.parse(text) as Partial<FreezeRecord>;
    const { member, storage, bootId, resumeAtMs, isFrozen } = read;
    const isWhole = [member, storage, bootId].every((part) => typeof part === 'string');
    return isWhole && typeof resumeAtMs === 'number' && typeof isFrozen === 'boolean'
      ? (read as FreezeRecord)
      : undefined;
  } catch {
    return undefined;
  }
}
