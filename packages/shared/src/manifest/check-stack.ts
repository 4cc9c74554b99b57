// What a stack must be: one main process, workers that belong to it, an order. Pure; tells with paths.
import type { Tell } from './complete.js';
import type { ServiceText } from './schema.js';
import type { ServiceDeclaration } from './types.js';

/** JavaScript, like JSON, puts names that are whole numbers before all others. */
const WHOLE_NUMBER = /^(0|[1-9]\d*)$/;

export function checkStack(service: ServiceDeclaration, tell: Tell): void {
  const at = ['services', service.name, 'members'];
  const mains = service.members.filter((member) => member.upstream === undefined);
  const [main, ...more] = mains;
  if (main === undefined) tell(at, 'there is no main process: leave `upstream` out at one of them');
  for (const other of more)
    tell(
      [...at, other.name],
      `${main?.name ?? ''} and ${other.name} would both be the main process: give one of them the other as upstream`,
    );
  for (const { name, upstream } of service.members) {
    if (WHOLE_NUMBER.test(name) && service.members.length > 1)
      tell(
        [...at, name],
        `a name that is a number has no place in the order of a stack: worker-${name} has`,
      );
    if (upstream === undefined || main === undefined || more.length > 0) continue;
    if (upstream !== main.name)
      tell(
        [...at, name, 'upstream'],
        upstream === name
          ? `a worker belongs to the main process, ${main.name}, not to itself`
          : `a worker belongs to the main process, ${main.name}: workers have no workers`,
      );
  }
}

/** Its backups and updates begin with this service's: a slip would be found out by the first of them. */
export function checkDatabase(
  service: ServiceDeclaration,
  services: readonly string[],
  tell: Tell,
): void {
  for (const { name, engineOptions } of service.members) {
    const { databaseService } = engineOptions;
    if (databaseService === undefined || services.includes(databaseService)) continue;
    tell(
      ['services', service.name, 'members', name],
      `there is no service ${databaseService} (engine option databaseService); services are ${[...services].sort().join(', ')}`,
    );
  }
}

/** Keys that mean nothing for a stack, or for a tree. */
export function checkKeysOfShape(service: ServiceDeclaration, text: ServiceText, tell: Tell): void {
  const at = ['services', service.name];
  const isStack = service.shape === 'stack';
  if (isStack && text.failover !== undefined)
    tell(
      [...at, 'failover'],
      `${service.kind} has a main process and workers, and no mirror that could take over: leave failover out`,
    );
  const strategy = text.update?.strategy;
  if (strategy !== undefined && (strategy === 'whole-stack') !== isStack)
    tell(
      [...at, 'update', 'strategy'],
      isStack
        ? 'workers cannot be of another version than their main process: a stack is updated whole-stack'
        : 'mirrors are updated one after another, the leader last: a tree is updated leafs-first',
    );
  else if (strategy === 'low-downtime' && service.kind !== 'synapse')
    tell(
      [...at, 'update', 'strategy'],
      `the old leader would mirror a newer one until its own update, and only synapse is known to stand that: a ${service.kind} is updated leafs-first`,
    );
}
