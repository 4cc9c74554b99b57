// The sending end: offers a backup, and sends what the other end wants of it, from where it wants it. Changes nothing.
// Zeros are told, not sent: a cell's files are mostly holes.
import { open, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Backup, TransferPiece, TransferWant } from '@leafward/shared/gen/domain.js';
import type { Pace } from '../backups/pace.js';
import type { TransferLine } from './line.js';
import { attributesOf, compare, readTree, stats } from './tree.js';

export interface SendOptions {
  readonly backup: Backup;
  readonly manifestPath: string;
  readonly line: TransferLine;
  readonly pace: Pace;
  readonly onProgress: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Well below what a message may hold, well above what a message costs. */
const PIECE_BYTES = 256 * 1024;
const ZEROS = Buffer.alloc(PIECE_BYTES);

/** Returns when the other end has it and has found it right. @throws LeafwardError */
export async function sendBackup(options: SendOptions): Promise<void> {
  const { backup, line } = options;
  const { directories, names } = await readTree(backup.path);
  await line.send({ kind: 'offer', backup, directories });
  const want = await line.next();
  if (want.kind === 'end') throw refused(backup, want.problem);
  if (want.kind !== 'want') throw unexpected(backup, want.kind);
  if (want.name === '') await sendFile(options, { name: '', path: options.manifestPath }, 0);
  let sent = 0;
  for (const name of names) {
    sent += 1;
    if (!isWanted(name, want)) continue;
    const offset = name === want.name ? want.offset : 0;
    options.onProgress(`sending ${name} (${sent} of ${names.length} files)`);
    await sendFile(options, { name, path: join(backup.path, name) }, offset);
  }
  await line.send({ kind: 'end' });
  const last = await line.next();
  if (last.kind !== 'end') throw unexpected(backup, last.kind);
  if (last.problem !== undefined) throw refused(backup, last.problem);
}

const isWanted = (name: string, want: TransferWant): boolean =>
  want.name === '' || compare(name, want.name) >= 0;

async function sendFile(
  options: SendOptions,
  { name, path }: { readonly name: string; readonly path: string },
  from: number,
): Promise<void> {
  const { line } = options;
  const found = await stats(path);
  const attributes = attributesOf(found);
  const none = { name, offset: from, data: new Uint8Array(), zeroBytes: 0 };
  if (found.isSymbolicLink()) {
    await line.send({ kind: 'piece', ...none, attributes, link: await readlink(path) });
    return;
  }
  const offset = await sendContent(options, { name, path }, from);
  await line.send({ kind: 'piece', ...none, offset, attributes });
}

/** Returns how long the file is. */
async function sendContent(
  { line, pace, signal, backup }: SendOptions,
  { name, path }: { readonly name: string; readonly path: string },
  from: number,
): Promise<number> {
  const file = await open(path, 'r');
  let offset = from;
  /** Zeros that were read and not told yet. */
  let zeroBytes = 0;
  const tell = async (piece: Omit<TransferPiece, 'name'>): Promise<void> => {
    const early = line.pending();
    if (early?.kind === 'end') throw refused(backup, early.problem);
    await line.send({ kind: 'piece', name, ...piece });
  };
  try {
    const buffer = Buffer.allocUnsafeSlow(PIECE_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, PIECE_BYTES, offset + zeroBytes);
      const data = buffer.subarray(0, bytesRead);
      const isZero = bytesRead > 0 && data.equals(ZEROS.subarray(0, bytesRead));
      if (isZero) zeroBytes += bytesRead;
      if (!isZero && zeroBytes > 0) {
        await tell({ offset, data: new Uint8Array(), zeroBytes });
        offset += zeroBytes;
        zeroBytes = 0;
      }
      if (bytesRead === 0) return offset;
      if (!isZero) {
        await tell({ offset, data, zeroBytes: 0 });
        offset += bytesRead;
      }
      await pace.rest(bytesRead, signal);
    }
  } finally {
    await file.close();
  }
}

const refused = ({ name }: Backup, problem = 'no reason given'): LeafwardError =>
  new LeafwardError('failed', `send ${name}: the other end does not take it: ${problem}`);

const unexpected = ({ name }: Backup, kind: string): LeafwardError =>
  new LeafwardError('failed', `send ${name}: the other end said ${kind} where nobody asked for it`);
