// Which backups of this host are being read, and which are being removed: never both at once. In memory only, since
// whoever reads one ends with the agent.
import { LeafwardError } from '@leafward/shared/errors.js';

export interface Pins {
  /**
   * Nothing takes the backup at `path` away until the returned function was called; any number may hold it at once.
   * @throws LeafwardError `unavailable` while it is being removed.
   */
  hold(path: string): () => void;
  isHeld(path: string): boolean;
  /** For whoever removes it: nobody can hold it until the returned function was called. Undefined: it is held. */
  claim(path: string): (() => void) | undefined;
}

export function createPins(): Pins {
  const holders = new Map<string, number>();
  const claimed = new Set<string>();
  return {
    hold: (path) => {
      if (claimed.has(path))
        throw new LeafwardError('unavailable', `read the backup ${path}: it is being removed`, {
          retry: 'never',
        });
      holders.set(path, (holders.get(path) ?? 0) + 1);
      return once(() => {
        const left = (holders.get(path) ?? 0) - 1;
        if (left > 0) holders.set(path, left);
        else holders.delete(path);
      });
    },
    isHeld: (path) => holders.has(path),
    claim: (path) => {
      if (holders.has(path) || claimed.has(path)) return undefined;
      claimed.add(path);
      return once(() => void claimed.delete(path));
    },
  };
}

/** Holds it for as long as `work` takes, however that ends. @throws what `hold` and `work` throw. */
export async function whileHeld<T>(pins: Pins, path: string, work: () => Promise<T>): Promise<T> {
  const release = pins.hold(path);
  try {
    return await work();
  } finally {
    release();
  }
}

/** Time to drill and restore what was brought here, unless this agent is restarted. */
const BROUGHT_MS = 24 * 60 * 60_000;

/**
 * Holds what `bring` brings for a day, since whoever has it brought wants it, though it may be older than all that the
 * rules keep. @throws what `hold` and `bring` throw; then nothing is held.
 */
export async function holdBrought<T>(
  pins: Pins,
  path: string,
  bring: () => Promise<T>,
): Promise<T> {
  const release = pins.hold(path);
  try {
    const brought = await bring();
    setTimeout(release, BROUGHT_MS).unref();
    return brought;
  } catch (error) {
    release();
    throw error;
  }
}

function once(act: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    act();
  };
}
