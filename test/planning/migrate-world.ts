// A service of one member that is to come from Synapse 0.1.x, and an agent that has its tools.
import type { Outcome, Request } from '@leafward/shared/gen/domain.js';
import { HOSTS, manifestOf, World } from './model.js';

export const TOOLS = [
  '    migrate020:',
  '      source: /srv/old/backup',
  "      command: [migrate, --src, '{source}', --dest, '{storage}']",
  '      resume: [--from-last]',
  '      sync:',
  "        command: [sync, --dest, '{url}', --name, '{member}']",
  '        caughtUp: caught up',
].join('\n');

export class MigrateWorld extends World {
  /** How acts of these kinds end; one that is not named goes on for ever. */
  ends: Partial<Record<Request['kind'], Partial<Outcome>>> = {
    'migrate-storage': { message: 'nothing was left behind' },
    'sync-from-source': { message: 'caught up at 7' },
  };
  readonly asked: Request[] = [];

  override carryOut(host: string, crash: 'no' | 'before' | 'after' = 'no'): void {
    const machine = this.machine(host);
    for (const { host: to, request } of Object.values(this.requests)) {
      const { kind, id, member } = request;
      const isOurs = kind === 'migrate-storage' || kind === 'sync-from-source';
      if (to !== host || !isOurs || machine.outcomes.has(id)) continue;
      const end = this.ends[kind];
      const cell = machine.cells.get(member);
      if (end === undefined || cell === undefined) return;
      this.asked.push(request);
      const isMet = cell.running === (kind === 'sync-from-source');
      const at = { startedAt: this.now, finishedAt: this.now, changes: [] };
      const state = isMet ? 'succeeded' : 'refused';
      if (kind === 'migrate-storage' && isMet && end.state === undefined)
        cell.promotedAtTerm = request.term;
      machine.outcomes.set(id, { requestId: id, state, ...at, ...end });
      return;
    }
    super.carryOut(host, crash);
  }
}

export function deployedNew(
  extra = TOOLS,
  members: readonly (readonly [string, string, string?])[] = [['00.cortex', 'alpha']],
): MigrateWorld {
  const world = new MigrateWorld(HOSTS);
  world.round();
  world.apply({ kind: 'deploy', manifest: manifestOf({ members, extra }) });
  for (let count = 0; count < 5; count += 1) world.round();
  return world;
}
