// Texts of small files that are asked for again and again and hardly ever change: one stat instead of open, read and
// close. Must never give a text that is not the file's: what could have changed unseen is read anew.
import { readFile, stat } from 'node:fs/promises';

export interface TextCache {
  /** @throws what stat and read throw, ENOENT among them. */
  read(path: string): Promise<string>;
}

/**
 * A file that was changed so shortly before it was read could be changed again without another time on it: file
 * systems count in ticks of up to 2 s (FAT; ext4 and XFS of 4 ms).
 */
const SETTLED_MS = 3000;
const MAX_FILES = 1000;
const MAX_CHARS = 65_536;

interface Kept {
  readonly version: string;
  readonly text: string;
}

export function createTextCache(): TextCache {
  const kept = new Map<string, Kept>();
  return {
    async read(path) {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
      const version = `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
      const known = kept.get(path);
      if (known?.version === version) return known.text;
      // Told before it is read: a change meanwhile makes the next version another one.
      const isSettled = Date.now() - Number(ctimeNs / 1_000_000n) > SETTLED_MS;
      const text = await readFile(path, 'utf8');
      kept.delete(path);
      if (isSettled && text.length <= MAX_CHARS && kept.size < MAX_FILES)
        kept.set(path, { version, text });
      return text;
    },
  };
}
