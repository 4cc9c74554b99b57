// Which services of a compose file are Synapse cells, and what their storages say of them. Pure.
import type { ComposeService, ComposeVolume } from './compose-file.js';
import { parse } from 'yaml';

export const STORAGE_TARGET = '/vertex/storage';

export interface Cell {
  readonly service: ComposeService;
  readonly storage: ComposeVolume;
  readonly stored: StoredCell;
}

/** Files of a storage that could be read, by name. */
export interface StorageFiles {
  /** False: there is no such directory, or it may not be looked at. */
  readonly isReadable: boolean;
  readonly texts: Readonly<Record<string, string>>;
}

export const STORAGE_FILES = ['cell.mods.yaml', 'cell.yaml', 'prov.done', 'cell.guid'] as const;

export interface StoredCell {
  /** Null: it leads. Undefined: nothing says it. */
  readonly mirror: string | null | undefined;
  /** Where that stands. */
  readonly from: string | undefined;
  readonly ahaName?: string | undefined;
  readonly ahaNetwork?: string | undefined;
  readonly listenPort?: number | undefined;
  readonly httpsPort?: number | undefined;
  readonly provisionPort?: number | undefined;
  /** Other services that it is told of: axon, jsonstor. */
  readonly uses: readonly string[];
  readonly isProvisioned: boolean;
  readonly isReadable: boolean;
}

/** The volume that a cell lives on; undefined: it is no cell. */
export function storageOf(service: ComposeService): ComposeVolume | undefined {
  const storage = service.volumes.find(({ target }) => target === STORAGE_TARGET);
  const isCell =
    /(?:^|\/)synapse-[a-z0-9-]+(?::|@|$)/.test(service.image) ||
    Object.keys(service.environment).some((name) => /^SYN_[A-Z0-9]+_/.test(name)) ||
    storage !== undefined;
  return isCell ? storage : undefined;
}

/** A service by its image or environment that has no storage: Compose lost its data at each update. */
export const isHomeless = (service: ComposeService): boolean =>
  storageOf(service) === undefined && /(?:^|\/)synapse-[a-z0-9-]+(?::|@|$)/.test(service.image);

/** cell.mods.yaml wins over cell.yaml, and that over the environment. */
export function storedCell(files: StorageFiles, service: ComposeService): StoredCell {
  const mods = entriesIn(files.texts['cell.mods.yaml']);
  const cell = entriesIn(files.texts['cell.yaml']);
  const environment = environmentOf(service);
  const said = (key: string): string | undefined => {
    const value = mods[key] ?? cell[key] ?? environment[key];
    return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
  };
  const [mirror, from] = mirrorIn(mods, cell, environment, files);
  const uses = ['axon', 'jsonstor'].flatMap((key) => serviceInUrl(said(key)) ?? []);
  return {
    mirror,
    from,
    ahaName: said('aha:name'),
    ahaNetwork: said('aha:network'),
    listenPort: portIn(said('dmon:listen')),
    httpsPort: portIn(said('https:port')),
    provisionPort: portIn(said('provision:listen')),
    uses,
    isProvisioned: files.texts['prov.done'] !== undefined,
    isReadable: files.isReadable,
  };
}

type Said = Readonly<Record<string, unknown>>;

function mirrorIn(
  mods: Said,
  cell: Said,
  environment: Said,
  files: StorageFiles,
): readonly [string | null | undefined, string | undefined] {
  const places = [
    ['cell.mods.yaml', mods],
    ['cell.yaml', cell],
    ['its environment', environment],
  ] as const;
  for (const [from, said] of places) {
    const mirror = said['mirror'];
    if (mirror === null || typeof mirror === 'string') return [mirror, from];
  }
  // One that has lived and names nobody leads.
  if (files.texts['cell.guid'] !== undefined) return [null, 'cell.yaml, which names no mirror'];
  return [undefined, undefined];
}

/** SYN_CORTEX_AHA_NAME of a cortex is aha:name; the value is YAML. */
function environmentOf({ environment }: ComposeService): Said {
  const found: Record<string, unknown> = {};
  for (const [name, { value }] of Object.entries(environment)) {
    const [, key] = /^SYN_[A-Z0-9]+_(.+)$/.exec(name) ?? [];
    if (key !== undefined) found[key.toLowerCase().replaceAll('_', ':')] = yamlOf(value);
  }
  return found;
}

function entriesIn(text: string | undefined): Said {
  const value = text === undefined ? undefined : yamlOf(text);
  return typeof value === 'object' && value !== null ? (value as Said) : {};
}

function yamlOf(text: string): unknown {
  try {
    return parse(text, { logLevel: 'silent' }) as unknown;
  } catch {
    return undefined; // a file that a cell could not read either
  }
}

/** Of `ssl://0.0.0.0:30001?…` or a bare number; 0 and `null` are none that anybody could know. */
function portIn(text: string | undefined): number | undefined {
  const [, digits] = /^(?:[a-z]+:\/\/[^/?]*:)?(\d{1,5})(?:[/?]|$)/.exec(text ?? '') ?? [];
  const port = Number(digits ?? 0);
  return port > 0 && port < 65_536 ? port : undefined;
}

/** `axon` of `aha://root@axon.loop.vertex.link` or `aha://00.axon...`. */
export function serviceInUrl(url: string | undefined): string | undefined {
  const [, name] = /^aha:\/\/(?:[^@/]*@)?(?:\d+\.)?([a-z0-9-]+)/.exec(url ?? '') ?? [];
  return name;
}

/** `cortex` of `00.cortex`. */
export const serviceOfMember = (member: string): string => member.replace(/^\d+\./, '');
