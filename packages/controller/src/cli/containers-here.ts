// Asks the Engine of this machine which container has a directory mounted for writing. Only reads; an Engine that does
// not answer is no error, since a file says much without it.
import { request } from 'node:http';
import type { ContainerAt } from '../compose/imported.js';

interface Listed {
  readonly Names: readonly string[];
  readonly State: string;
  readonly Mounts?: readonly { readonly Source: string; readonly RW: boolean }[];
}

/** An Engine answers within milliseconds. */
const DEADLINE_MS = 5000;
/** Thousands of containers fit into it. */
const MAX_ANSWER_BYTES = 32 * 2 ** 20;

export async function containersHere(
  socketPath: string,
  signal: AbortSignal,
): Promise<(storage: string) => ContainerAt> {
  const listed = await list(socketPath, signal).catch(() => undefined);
  return (storage) => {
    if (listed === undefined) return { kind: 'unknown' };
    const found = listed
      .filter(({ Mounts = [] }) => Mounts.some(({ Source, RW }) => RW && Source === storage))
      .sort((a, b) => Number(b.State === 'running') - Number(a.State === 'running'))[0];
    const name = found?.Names[0]?.replace(/^\//, '');
    if (found === undefined || name === undefined) return { kind: 'none' };
    return { kind: 'found', name, isRunning: found.State === 'running' };
  };
}

function list(socketPath: string, stop: AbortSignal): Promise<readonly Listed[]> {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(DEADLINE_MS)]);
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: '/containers/json?all=true', signal }, (answer) => {
      const parts: Buffer[] = [];
      let size = 0;
      answer.on('data', (part: Buffer) => {
        size += part.length;
        if (size > MAX_ANSWER_BYTES) asked.destroy(new Error('the answer is too long'));
        parts.push(part);
      });
      answer.on('error', reject);
      answer.on('end', () => {
        try {
          resolve(JSON.parse(Buffer.concat(parts).toString('utf8')) as readonly Listed[]);
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
    asked.on('error', reject);
    asked.end();
  });
}
