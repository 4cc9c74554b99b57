// Where backups must not lie: in anybody's data. Nothing would tell one from the other there, and whoever empties the
// data takes the backups along, or keeps the data for their sake (I13). Pure; tells with paths.
import type { Tell } from './complete.js';
import type { Path } from './locate.js';
import type { MemberDeclaration, ServiceDeclaration } from './types.js';

export interface Place {
  readonly service: ServiceDeclaration;
  readonly member: MemberDeclaration;
}

/** `hosts`: the places of each host; `pathOf`: where a member's backup directory is written. */
export function checkBackupPlaces(
  hosts: Iterable<readonly Place[]>,
  pathOf: (place: Place) => Path,
  tell: Tell,
): void {
  const told = new Set<string>();
  for (const places of hosts)
    for (const place of places) {
      const path = pathOf(place);
      const why = whyNot(place, places);
      // What a service says for all of its members is told once.
      if (why === undefined || told.has(path.join(' '))) continue;
      told.add(path.join(' '));
      tell(path, `${why}; name a directory elsewhere (I13)`);
    }
}

function whyNot(place: Place, places: readonly Place[]): string | undefined {
  const { name, backupDirectory: directory } = place.member;
  if (directory === undefined) return undefined;
  for (const other of places) {
    const why = objection(directory, other, other === place);
    if (why !== undefined) return `backups of ${name} in ${directory} ${why}`;
  }
  return undefined;
}

function objection(
  directory: string,
  { service, member }: Place,
  own: boolean,
): string | undefined {
  const { storage, name } = member;
  const inside = below(storage, directory);
  if (inside === undefined) return undefined;
  if (!own) return `would lie in the storage of ${name}, ${storage}`;
  if (inside.length === 0) return 'would lie among its data, right in its storage';
  const [first = ''] = inside;
  if (inside.length > 1) return `would lie below ${first} of its storage, which may hold its data`;
  return dataOf(service, member).includes(first)
    ? `would lie in ${first} of its storage, which holds its data`
    : undefined;
}

/** Names in its storage that are known to hold data: what the shipped kinds use, or PostgreSQL was told to. */
function dataOf(
  { exec, storageTarget }: ServiceDeclaration,
  { environment, storage }: MemberDeclaration,
): readonly (string | undefined)[] {
  const named = environment['PGDATA'] ?? '';
  const others = [storage, storageTarget].map((root) => below(root, named)?.[0]);
  return exec === undefined ? [] : ['data', ...others];
}

/** Names from `root` down to `path`; undefined: it is not below it. */
function below(root: string, path: string): readonly string[] | undefined {
  if (!path.startsWith('/')) return undefined;
  const [above, at] = [root, path].map(namesOf) as [readonly string[], readonly string[]];
  return above.every((name, index) => at[index] === name) ? at.slice(above.length) : undefined;
}

const namesOf = (path: string): readonly string[] =>
  path.split('/').filter((name) => name !== '' && name !== '.');
