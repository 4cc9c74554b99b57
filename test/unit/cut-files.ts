// Breaks off what a program does to its files, at the n-th act that changes any: as a kill does (nothing after it is
// done), or as a full disk does (what needs room fails, all else goes on).
import fsp, { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

export interface Fault {
  readonly kind: 'cut' | 'full';
  /** So many acts are done before. */
  readonly after: number;
}

type Call = (...args: never[]) => Promise<unknown>;
const CHANGING = ['rename', 'rm', 'unlink', 'rmdir', 'mkdir', 'chmod'] as const;
const OF_HANDLES = ['writeFile', 'appendFile', 'sync', 'datasync', 'truncate'] as const;
const NEEDS_ROOM: ReadonlySet<string> = new Set(['open', 'mkdir', 'writeFile', 'appendFile']);

/** How many acts there were, and what the work came to. Files are as ever afterwards. */
export async function withFault<T>(
  { kind, after }: Fault,
  work: () => Promise<T>,
): Promise<{ readonly acts: number; readonly result: T | Error }> {
  let acts = 0;
  const admit = (name: string): void => {
    const isHit = acts >= after && (kind === 'cut' || NEEDS_ROOM.has(name));
    acts += 1;
    if (!isHit) return;
    if (kind === 'cut') throw new Error(`killed before ${name}`);
    throw Object.assign(new Error(`ENOSPC: no space left on device, ${name}`), { code: 'ENOSPC' });
  };
  const guarded =
    (name: string, call: Call): Call =>
    async (...args) => {
      admit(name);
      return call(...args);
    };
  const calls = fsp as unknown as Record<string, Call>;
  const before = new Map([...CHANGING, 'open'].map((name) => [name, calls[name] as Call]));
  for (const name of CHANGING) calls[name] = guarded(name, before.get(name) as Call);
  const open = before.get('open') as (...args: unknown[]) => Promise<FileHandle>;
  calls['open'] = async (...args: unknown[]) => {
    if (/[wa]/.test(String(args[1]))) admit('open');
    const handle = await open(...args);
    const own = handle as unknown as Record<string, Call>;
    for (const name of OF_HANDLES) own[name] = guarded(name, (own[name] as Call).bind(handle));
    return handle;
  };
  syncBuiltinESMExports();
  try {
    const result = await work().catch((error: unknown) => error as Error);
    return { acts, result };
  } finally {
    for (const [name, call] of before) calls[name] = call;
    syncBuiltinESMExports();
  }
}
