// What a sysctl was before Leafward first touched it: one JSON file, so that an undo works after
// any restart.
import { readFileSync } from 'node:fs';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import { replaceFile } from './durable-file.js';
import type { Setting } from './sysctl-rules.js';

/** By the rule's key (vm.dirty_ratio), though the original may be of its twin (vm.dirty_bytes). */
export type Originals = Readonly<Record<string, Setting>>;

/**
 * Originals that are kept; none when the file is absent.
 * @throws LeafwardError `failed` when it is there but cannot be read: applying then would forget
 * the originals.
 */
export function readOriginals(file: string): Originals {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw unreadable(file, messageOf(error));
  }
  try {
    const parsed = JSON.parse(text) as { format?: unknown; originals?: unknown };
    if (parsed.format !== 1 || !isOriginals(parsed.originals))
      throw new Error('its contents are not of format 1');
    return parsed.originals;
  } catch (error) {
    throw unreadable(file, messageOf(error));
  }
}

export function writeOriginals(file: string, originals: Originals): void {
  replaceFile(file, `${JSON.stringify({ format: 1, originals }, undefined, 2)}\n`, 0o600);
}

function isOriginals(value: unknown): value is Originals {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value as Record<string, unknown>).every((entry) => {
    if (typeof entry !== 'object' || entry === null) return false;
    const { key, value: text } = entry as { key?: unknown; value?: unknown };
    // A key becomes a path under /proc/sys: only what the five rules use.
    return typeof key === 'string' && /^vm\.[a-z_]+$/.test(key) && typeof text === 'string';
  });
}

function unreadable(file: string, reason: string): LeafwardError {
  return new LeafwardError(
    'failed',
    `read the original sysctls from ${file}: ${reason}; nothing was changed; put the file right, or remove it ` +
      'if the values of now are the ones to go back to',
  );
}
