// Reads and changes a cell's YAML files. Keeps what it does not know, the owner and the mode; a change is
// whole or not there, also after a power cut.
import { randomUUID } from 'node:crypto';
import { open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Document } from 'yaml';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import { createTextCache } from '../../text-cache.js';
import { readPlainYaml, withPlainYaml } from './plain-yaml.js';

/** A new file is the cell's own business alone; it may hold URLs with passwords. */
const NEW_FILE_MODE = 0o600;

/** The value at a top-level key, undefined when the file or the key is missing. Throws `failed` for bad YAML. */
export async function readYamlKey(path: string, key: string): Promise<unknown> {
  const text = await readText(path);
  const plain = readPlainYaml(text);
  return plain === undefined ? valueAt(await parse(path, text), key) : plain.get(key);
}

/** Sets one top-level key. Writes nothing when it is so already. */
export async function writeYamlKey(
  path: string,
  key: string,
  value: string | boolean | null,
): Promise<void> {
  const text = await readText(path);
  const plain = readPlainYaml(text);
  const changed = typeof value === 'boolean' ? undefined : withPlainYaml(text, key, value);
  if (plain !== undefined && changed !== undefined) {
    if (plain.get(key) !== value) await replaceFile(path, changed);
    return;
  }
  const document = await parse(path, text);
  if (valueAt(document, key) === value) return;
  document.set(key, value);
  await replaceFile(path, document.toString());
}

/** Takes one top-level key out. Writes nothing when it is not there. */
export async function removeYamlKey(path: string, key: string): Promise<void> {
  const document = await parse(path, await readText(path));
  // An empty file has no map to take it out of, and there may be no file at all.
  if (document.contents === null || !document.delete(key)) return;
  await replaceFile(path, document.toString());
}

/** Tells a key that is null, which here means to lead, from one that is missing; Document.get does not. */
function valueAt(document: Document, key: string): unknown {
  return document.has(key) ? (document.get(key) ?? null) : undefined;
}

const texts = createTextCache();

/** Empty when there is no such file. */
async function readText(path: string): Promise<string> {
  try {
    return await texts.read(path);
  } catch (error) {
    if (!isMissing(error)) throw unreadable(path, messageOf(error), error);
    return '';
  }
}

async function parse(path: string, text: string): Promise<Document> {
  // Few files need it, and few agents hold it in memory for ever.
  const { isMap, parseDocument } = await import('yaml');
  // Pretty ones quote the line, which may hold a password (I14).
  const document = parseDocument(text, { prettyErrors: false });
  const problem = document.errors[0];
  if (problem !== undefined) throw unreadable(path, problem.message, problem);
  if (document.contents !== null && !isMap(document.contents)) {
    throw unreadable(path, 'it holds no mapping', undefined);
  }
  return document;
}

async function replaceFile(path: string, text: string): Promise<void> {
  const directory = dirname(path);
  const before = await stat(path).catch(() => undefined);
  const owner = before ?? (await stat(directory));
  const temporary = `${path}.${randomUUID()}.tmp`;
  const mode = before === undefined ? NEW_FILE_MODE : before.mode & 0o777;
  try {
    const file = await open(temporary, 'wx', mode);
    try {
      if (process.getuid?.() === 0) await file.chown(owner.uid, owner.gid);
      await file.chmod(mode);
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    const folder = await open(directory, 'r');
    await folder.sync().finally(() => folder.close());
  } catch (error) {
    await rm(temporary, { force: true });
    throw new LeafwardError('failed', `write ${path}: ${messageOf(error)}`, { cause: error });
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

function unreadable(path: string, why: string, cause: unknown): LeafwardError {
  return new LeafwardError('failed', `read ${path}: ${why}; repair it by hand`, { cause });
}
