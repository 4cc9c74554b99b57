// A stack whose data are in the database of another service of the fleet: what the two owe each other. Pure.
import type { Backup } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import type { ServiceAt } from './gather.js';

/** Engine option `databaseService` of the member that leads; undefined: others look after its database. */
export function databaseOf({ declaration, topology }: ServiceAt): string | undefined {
  if (declaration.shape !== 'stack') return undefined;
  const main = declaration.members.find((member) => member.name === topology.leader);
  return main?.engineOptions['databaseService'];
}

/** The service, and its database's: an operation on the one must not meet one on the other. */
export function withDatabase(service: ServiceAt): readonly string[] {
  const database = databaseOf(service);
  return database === undefined ? [service.name] : [service.name, database];
}

export const nameOfBackup = ({ service, name }: Pick<Backup, 'service' | 'name'>): string =>
  `${service}/${name}`;

/** Its files alone are no backup: the database's own must still be there. */
export function hasItsDatabase(snapshot: Snapshot, service: ServiceAt, backup: Backup): boolean {
  return (
    databaseOf(service) === undefined ||
    snapshot.backups.some((other) => nameOfBackup(other) === backup.databaseBackup)
  );
}
