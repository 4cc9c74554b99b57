// What restic prints, as values. Pure. Fields that a version does not print are left out, never guessed.
import { coerceVersion, isAtLeast as isVersionAtLeast } from '../checks/versions.js';

export interface ResticProgress {
  /** Of 1. */
  readonly done: number;
  readonly bytesDone?: number | undefined;
  readonly totalBytes?: number | undefined;
}

export interface ResticSummary {
  readonly snapshot: string;
  readonly addedBytes: number;
}

export interface ResticSnapshot {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly host: string;
  readonly paths: readonly string[];
  readonly tags: readonly string[];
}

type Fields = Readonly<Record<string, unknown>>;

/** A line of `backup --json` or `restore --json`, or of the text of `check`. Undefined: it says nothing of progress. */
export function parseProgress(line: string): ResticProgress | undefined {
  const fields = fieldsOf(line);
  if (fields === undefined) {
    const found = /^\[[\d:]+\]\s+(\d+(?:\.\d+)?)%\s/.exec(line)?.[1];
    return found === undefined ? undefined : { done: Number(found) / 100 };
  }
  if (fields['message_type'] !== 'status') return undefined;
  const done = numberOf(fields['percent_done']);
  if (done === undefined) return undefined;
  return {
    done,
    bytesDone: numberOf(fields['bytes_done'] ?? fields['bytes_restored']),
    totalBytes: numberOf(fields['total_bytes']),
  };
}

/** The line that `backup --json` ends with. */
export function parseSummary(line: string): ResticSummary | undefined {
  const fields = fieldsOf(line);
  if (fields?.['message_type'] !== 'summary') return undefined;
  const snapshot = textOf(fields['snapshot_id']);
  if (snapshot === undefined) return undefined;
  return { snapshot, addedBytes: numberOf(fields['data_added']) ?? 0 };
}

/** What `snapshots --json` prints. @throws Error when it is something else. */
export function parseSnapshots(text: string): readonly ResticSnapshot[] {
  const found: unknown = JSON.parse(text);
  // No snapshot at all: some versions print null.
  if (found === null) return [];
  if (!Array.isArray(found)) throw new Error('it is no list of snapshots');
  return found.map((one: unknown) => {
    const fields = (typeof one === 'object' && one !== null ? one : {}) as Fields;
    const id = textOf(fields['id']);
    const at = Date.parse(textOf(fields['time']) ?? '');
    if (id === undefined || Number.isNaN(at)) throw new Error('a snapshot has no id or no time');
    return {
      id,
      at,
      host: textOf(fields['hostname']) ?? '',
      paths: textsOf(fields['paths']),
      tags: textsOf(fields['tags']),
    };
  });
}

/** Of `restic 0.14.0 compiled with go1.19.8 on linux/amd64`: 0.14.0. */
export function parseVersion(text: string): string | undefined {
  return /^restic (\d+\.\d+\.\d+)/m.exec(text)?.[1];
}

/** Both as `parseVersion` gives them. */
export function isAtLeast(version: string, least: string): boolean {
  return isVersionAtLeast(coerceVersion(version) ?? [], coerceVersion(least) ?? []);
}

/** What it complained of, a line each, without its own JSON around it. */
export function parseComplaints(stderr: string): readonly string[] {
  return stderr
    .split('\n')
    .map((line) => complaintOf(line).trim())
    .filter((line) => line !== '');
}

function complaintOf(line: string): string {
  const fields = fieldsOf(line);
  if (fields === undefined) return line;
  const error = fields['error'];
  const inner =
    typeof error === 'object' && error !== null ? textOf((error as Fields)['message']) : undefined;
  const said = textOf(fields['message']) ?? inner ?? textOf(error);
  const item = textOf(fields['item']);
  return said === undefined ? '' : item === undefined ? said : `${item}: ${said}`;
}

function fieldsOf(line: string): Fields | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as Fields;
  } catch {
    return undefined;
  }
}

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;
const numberOf = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;
const textsOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];
