// A tree whose agents also do what keeps members healthy: the acts themselves are trusted here, their order is the test.
import type { Outcome, Request } from '@leafward/shared/gen/domain.js';
import { backupOf, HOSTS, manifestOf, World, type TreeOptions } from './model.js';

export class CareWorld extends World {
  /** The act fails, or its end is not known, as often as this says. */
  failures: Outcome['state'][] = [];
  /** Called at each act. */
  onAct: (request: Request) => void = () => undefined;

  override carryOut(host: string, crash: 'no' | 'before' | 'after' = 'no'): void {
    const machine = this.machine(host);
    const open = Object.values(this.requests).find(
      (state) => state.host === host && !machine.outcomes.has(state.request.id),
    );
    const result = open && this.answer(host, open.request);
    if (machine.off || !machine.connected || result === undefined)
      return super.carryOut(host, crash);
    machine.outcomes.set(open?.request.id ?? '', {
      requestId: open?.request.id ?? '',
      state: 'succeeded',
      startedAt: this.now,
      finishedAt: this.now,
      changes: [],
      ...result,
    });
  }

  private answer(host: string, request: Request): Partial<Outcome> | undefined {
    const { kind, member } = request;
    const isCare = ['cold-backup', 'optimize-storage', 'trim-log', 'take-snapshot'].includes(kind);
    if (!isCare) return undefined;
    this.onAct(request);
    const cell = this.machine(host).cells.get(member);
    const wantsRest =
      kind === 'cold-backup' || (kind === 'optimize-storage' && request.way !== 'clear');
    if (cell === undefined || cell.running === wantsRest)
      return { state: 'refused', message: 'not now' };
    const failure = this.failures.shift();
    if (failure !== undefined) return { state: failure, message: 'the disk broke' };
    this.acts.push(`${kind === 'optimize-storage' ? request.way : kind} ${member}`);
    switch (kind) {
      case 'cold-backup': {
        const { name, position, version } = request;
        const backup = backupOf(member, cell.intent.service, host, this.now);
        return { backup: { ...backup, name, position, version } };
      }
      case 'take-snapshot':
        return { snapshot: { output: 'snap-1', frozenMs: 1200, tookMs: 1000 } };
      default:
        return { message: 'done' };
    }
  }
}

export function deployedCare(options: TreeOptions = {}): CareWorld {
  const world = new CareWorld(HOSTS);
  world.round();
  world.apply({ kind: 'deploy', manifest: manifestOf(options) });
  for (let count = 0; count < 5; count += 1) world.write('cortex');
  for (let count = 0; count < 5; count += 1) world.round();
  world.backups = [backupOf('02.cortex', 'cortex', 'charlie', world.now - 60_000)];
  return world;
}

/** The manifest of one service with a snapshot command. */
export function withSnapshots<W extends World>(world: W, freeze: boolean): W {
  const state = world.services['cortex'];
  if (state === undefined) throw new Error('no cortex');
  const { declaration } = state;
  const snapshot = { command: ['snap', '{member}'], timeoutMs: 30_000, freeze };
  const backup = { ...declaration.backup, snapshot };
  world.services = { cortex: { ...state, declaration: { ...declaration, backup } } };
  return world;
}
