// From compose files and what lies in their cells' storages to a manifest. Pure: everything is given.
import { parseManifest } from '@leafward/shared/manifest/parse.js';
import type { ManifestProblem } from '@leafward/shared/manifest/types.js';
import type { ComposeProblem, ReadCompose } from './compose-file.js';
import { isHomeless, storageOf, storedCell, type StorageFiles } from './find-cell.js';
import {
  importCell,
  type ContainerAt,
  type ImportedMember,
  type ImportedSecret,
} from './imported.js';
import { mergeManifest } from './merge-manifest.js';

export interface ImportOptions {
  readonly fleet: string;
  readonly host: string;
  readonly into?: string | undefined;
  readonly filesOf: (storage: string) => StorageFiles;
  readonly containerAt: (storage: string) => ContainerAt;
}

export interface Imported {
  readonly manifest: string;
  readonly members: readonly string[];
  /** To be set at the controller; never with a value (I14). */
  readonly secrets: readonly ImportedSecret[];
  /** Services that are no cells, or that nothing can be done with. */
  readonly notes: readonly string[];
  /** What Leafward's own parser still says of the manifest. */
  readonly problems: readonly ManifestProblem[];
}

/** @throws LeafwardError `invalid` for a manifest that nothing can be merged into. */
export function importCompose(read: readonly ReadCompose[], options: ImportOptions): Imported {
  const services = read.flatMap((file) => file.services);
  const members: ImportedMember[] = [];
  const notes: string[] = [];
  for (const service of services) {
    const storage = storageOf(service);
    if (storage !== undefined) {
      const stored = storedCell(options.filesOf(storage.source), service);
      const at = options.containerAt(storage.source);
      members.push(importCell({ service, storage, stored }, options.host, at));
    } else if (isHomeless(service))
      notes.push(
        `${service.name} of ${service.file} is a cell without a volume at /vertex/storage: its data goes with its container; give it one first`,
      );
    else notes.push(`${service.name} of ${service.file} is no Synapse cell and is left out`);
  }
  const manifest = mergeManifest(members, options);
  const parsed = parseManifest(manifest);
  return {
    manifest,
    members: members.map(({ name }) => name),
    secrets: members.flatMap(({ secrets }) => secrets),
    notes,
    problems: parsed.ok ? [] : parsed.problems,
  };
}

/** Twice the same name is one member less than there are cells. */
export function twiceNamed(read: readonly ReadCompose[]): readonly ComposeProblem[] {
  const seen = new Map<string, string>();
  return read.flatMap(({ services }) =>
    services.flatMap((service): readonly ComposeProblem[] => {
      const storage = storageOf(service)?.source;
      if (storage === undefined) return [];
      const other = seen.get(storage);
      seen.set(storage, service.name);
      if (other === undefined) return [];
      const { file, line } = service;
      return [{ file, line, message: `${service.name} has the storage of ${other} (I9)` }];
    }),
  );
}
