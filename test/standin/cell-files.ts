// The small files of a cell's storage: identity, overrides, and the version of its data.
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { parse, stringify } from 'yaml';
import { readIfThere, type Settings } from './settings.js';

/** 32 hexadecimal digits, as every identity of the service. */
export function newIden(): string {
  return randomUUID().replaceAll('-', '');
}

/** URL, or null when this cell leads. Overrides win over cell.yaml, that over the environment. */
export function readMirror(settings: Settings): string | null {
  for (const name of ['cell.mods.yaml', 'cell.yaml']) {
    const mirror = readMap(join(settings.storage, name))['mirror'];
    if (mirror === null || typeof mirror === 'string') return mirror;
  }
  return settings.mirror ?? null;
}

export function writeMirror(settings: Settings, mirror: string | null): void {
  const path = join(settings.storage, 'cell.mods.yaml');
  replace(path, stringify({ ...readMap(path), mirror }));
}

export function readIden(storage: string): string | undefined {
  return readIfThere(join(storage, 'cell.guid'))?.trim();
}

export function writeIden(storage: string, iden: string): void {
  replace(join(storage, 'cell.guid'), `${iden}\n`);
}

export interface DataState {
  /** Version that wrote or migrated the data last. */
  readonly version?: string;
  /** Set when its log was trimmed away under it: it never starts again. */
  readonly desynced?: boolean;
}

export function readDataState(storage: string): DataState {
  const text = readIfThere(join(storage, 'slabs', 'cell.json'));
  return text === undefined ? {} : (JSON.parse(text) as DataState);
}

export function writeDataState(storage: string, state: DataState): void {
  replace(join(storage, 'slabs', 'cell.json'), JSON.stringify(state));
}

/** Empty but for what was put there for its first start. */
export function isFirstBoot(storage: string): boolean {
  mkdirSync(storage, { recursive: true });
  return !readdirSync(storage).includes('cell.guid');
}

export function readMap(path: string): Record<string, unknown> {
  return (parse(readIfThere(path) ?? '') as Record<string, unknown> | null) ?? {};
}

/** Keeps nothing of what was there. */
export function writeMap(path: string, values: Readonly<Record<string, unknown>>): void {
  replace(path, stringify(values));
}

function replace(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.tmp`;
  const file = openSync(temporary, 'w', 0o600);
  writeSync(file, text);
  fsyncSync(file);
  closeSync(file);
  renameSync(temporary, path);
}
