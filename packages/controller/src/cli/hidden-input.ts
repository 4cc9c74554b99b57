// Reads a secret from stdin: whole when it is a pipe or a file, one line without an echo when somebody types.
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';

export async function readSecret(question: string, signal: AbortSignal): Promise<string> {
  const { stdin, stderr } = process;
  try {
    if (stdin.isTTY !== true) return await text(stdin);
  } catch (error) {
    throw new LeafwardError('invalid', `read stdin: ${messageOf(error)}`, { cause: error });
  }
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: stdin, output: nowhere, terminal: true });
  stderr.write(question);
  try {
    return await lines.question('', { signal });
  } finally {
    lines.close();
    stderr.write('\n');
  }
}
