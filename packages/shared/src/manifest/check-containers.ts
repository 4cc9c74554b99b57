// Containers that are taken over and boot hooks: where they mean something, and what two members must not share. Pure.
import { HOOKS_TARGET } from './complete-hooks.js';
import type { Tell } from './complete.js';
import type { ServiceDeclaration } from './types.js';

export function checkContainers(service: ServiceDeclaration, tell: Tell): void {
  const { kind, runtime } = service;
  const isDocker = runtime === 'docker';
  const seen = new Map<string, string>();
  for (const { name, host, container, hooks, mounts } of service.members) {
    const at = ['services', service.name, 'members', name];
    if (container !== undefined && !isDocker)
      tell(
        [...at, 'container'],
        'only a container can be taken over: a program of the process runtime is stopped by hand and started by its agent',
      );
    else if (container !== undefined && kind !== 'synapse')
      tell(
        [...at, 'container'],
        `only containers of kind synapse can be taken over, whose files and sockets say what they are; this is ${kind}`,
      );
    const other = seen.get(`${host}/${container ?? ''}`);
    if (container !== undefined && other !== undefined)
      tell([...at, 'container'], `${other} is container ${container} of ${host} already`);
    else if (container !== undefined) seen.set(`${host}/${container}`, name);
    const isHooked = hooks !== undefined || mounts.some(({ target }) => isHook(target));
    if (hooks === undefined && (!isHooked || kind !== 'synapse')) continue;
    if (!isDocker || kind !== 'synapse')
      tell([...at, 'hooks'], 'boot hooks are run by containers of kind synapse only');
    else if (hooks !== undefined && mounts.some(({ target }) => target === HOOKS_TARGET))
      tell([...at, 'hooks'], `a mount hides ${HOOKS_TARGET} already: leave out one of both`);
  }
}

const isHook = (target: string): boolean => target.startsWith(`${HOOKS_TARGET}/`);
