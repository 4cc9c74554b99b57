// Tells the dead-man of every leader that must not outlive its permit: a deadline before it starts, a later one with
// every renewed permit, none once it is stopped. Must never push a deadline out but for a permit.
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { ContainerFact, DeadmanFact, MemberIntent } from '@leafward/shared/gen/domain.js';
import { AGENT_TURN_MS } from '@leafward/shared/lease.js';
import type { Logger } from '@leafward/shared/log.js';
import type { Permits } from '../permits.js';
import { isolationGraceMs } from '../plan/start.js';
import { mayRun } from '../plan/stopped.js';
import { armingOf, isLeased, parseDeadline, renderDeadline, type Target } from './deadline.js';
import type { DeadmanDirectory } from './directory.js';
import type { Keeper } from './keeper.js';
import { targetOf } from './target.js';

export interface DeadmanOptions {
  readonly directory: DeadmanDirectory;
  readonly keeper: Keeper;
  readonly stateDirectory: string;
  readonly bootId: string;
  readonly permits: Pick<Permits, 'of'>;
  readonly intents: () => readonly MemberIntent[];
  readonly isBusy: (member: string) => boolean;
  readonly monotonic: () => number;
  /** Wall clock. */
  readonly now: () => number;
  readonly log: Logger;
}

export interface Deadman {
  /** What was seen of members; writes what follows from it. */
  looked(members: readonly Looked[]): void;
  /** Writes deadlines anew after a permit or an order. */
  rearm(): void;
  /** Before a start. @throws LeafwardError `exhausted`, `unavailable`: nothing is started that nobody would stop. */
  beforeStart(intent: MemberIntent, container: ContainerFact): void;
  /** The agent stops it now: the dead-man has nothing left to do but to kill it in time. */
  asked(member: string): void;
  /** Whether the dead-man has stopped it since then (wall clock). */
  hasStoppedSince(member: string, sinceMs: number): boolean;
  /** Undefined while there is nothing to tell. */
  fact(): DeadmanFact | undefined;
}

export interface Looked {
  readonly intent: MemberIntent;
  readonly container: ContainerFact;
}

/** Two readings of the clock differ by a tick; nothing is written for that. */
const SAME_MS = 100;
/** Of deadlines for what nobody orders any more: long enough for any kill. */
const FORGET_AFTER_MS = 10 * 60_000;

interface Armed {
  readonly atMs: number;
  readonly target: Target;
  readonly line: string;
}

export function createDeadman(options: DeadmanOptions): Deadman {
  return new FileDeadman(options);
}

class FileDeadman implements Deadman {
  readonly #armed = new Map<string, Armed>();
  readonly #states = new Map<string, ContainerFact['state']>();
  /** Those that the agent stops, with the deadline that this holds for. */
  readonly #asked = new Map<string, number>();
  /** What no order names (any more), and since when. */
  readonly #orphans = new Map<string, number>();
  #toldStops: number;
  #complaint: string | undefined;

  constructor(readonly options: DeadmanOptions) {
    const { directory, bootId } = options;
    // The last one is told once more: who was told of it is gone.
    this.#toldStops = Math.max(0, directory.stops().length - 1);
    for (const [member, line] of directory.read()) {
      const known = parseDeadline(line);
      if (known?.bootId === bootId)
        this.#armed.set(member, { atMs: known.atMs, target: known.target, line });
    }
  }

  looked(members: readonly Looked[]): void {
    for (const { intent, container } of members) {
      this.#states.set(intent.member, container.state);
      if (!isLeased(intent) || !mayRun(container.state)) continue;
      this.#try(intent.member, () => this.#arm(intent, targetOf(intent, container, this.options)));
    }
    this.rearm();
    this.#tellStops();
  }

  rearm(): void {
    const { intents, isBusy } = this.options;
    const orders = intents();
    for (const intent of orders) {
      const { member } = intent;
      const arming = armingOf(intent, this.#states.get(member), isBusy(member));
      // What it is was found by a look; an Engine that does not answer now has not changed it.
      const target = this.#armed.get(member)?.target;
      if (arming === 'disarm') this.#disarm(member);
      else if (arming !== 'keep') this.#try(member, () => this.#arm(intent, target));
    }
    this.#forget(orders);
    this.#keep();
  }

  beforeStart(intent: MemberIntent, container: ContainerFact): void {
    if (!isLeased(intent)) return;
    const { member } = intent;
    const target = targetOf(intent, { ...container, state: 'created' }, this.options);
    if (target === undefined)
      throw new LeafwardError(
        'unavailable',
        `start ${member}: its runtime does not say which container that is (${container.error ?? container.state}), so nothing could stop it if this agent hung (I1)`,
        { retry: 'later' },
      );
    try {
      this.#arm(intent, target);
    } catch (error) {
      const { path } = this.options.directory;
      throw new LeafwardError(
        'exhausted',
        `start ${member}: its deadline cannot be written into ${path}, and without one nothing would stop it if this agent hung (I1): ${messageOf(error)}`,
        { retry: 'later', cause: error },
      );
    }
    this.#keep();
  }

  asked(member: string): void {
    const armed = this.#armed.get(member);
    if (armed === undefined) return;
    this.#asked.set(member, armed.atMs);
    this.rearm();
  }

  hasStoppedSince(member: string, sinceMs: number): boolean {
    const stops = this.options.directory.stops().filter((stop) => stop.member === member);
    return stops.some(({ atMs }) => this.#wallClockOf(atMs) >= sinceMs);
  }

  fact(): DeadmanFact | undefined {
    const { directory, keeper } = this.options;
    const stops = directory.stops();
    const last = stops.at(-1);
    if (this.#armed.size === 0 && last === undefined) return undefined;
    return {
      alive: keeper.isAlive(),
      armed: this.#armed.size,
      stops: stops.length,
      lastStopAt: last === undefined ? undefined : this.#wallClockOf(last.atMs),
      lastMember: last?.member,
    };
  }

  #wallClockOf(atMs: number): number {
    return Math.round(this.options.now() - Math.max(0, this.options.monotonic() - atMs));
  }

  #keep(): void {
    const members = [...this.#armed.keys()];
    this.#try('all leaders', () => this.options.keeper.keep(members));
  }

  /** What is armed runs out if it cannot be renewed: the safe side, and worth saying why. */
  #try(member: string, act: () => void): void {
    try {
      act();
    } catch (error) {
      const complaint = `tell the dead-man of ${member}: ${messageOf(error)}`;
      if (complaint !== this.#complaint) this.options.log.error(complaint);
      this.#complaint = complaint;
    }
  }

  #arm(intent: MemberIntent, target: Target | undefined): void {
    if (target === undefined) return;
    const { permits, monotonic, bootId, directory } = this.options;
    const { member, term, isolation } = intent;
    const known = this.#armed.get(member);
    const ageMs = permits.of(member, term).ageMs;
    const wantedMs = Math.round(monotonic() - ageMs + isolation.leaseMs + AGENT_TURN_MS);
    const isSame = known !== undefined && Math.abs(known.atMs - wantedMs) < SAME_MS;
    const atMs = isSame ? known.atMs : wantedMs;
    const isAsked = this.#asked.get(member) === atMs;
    const graceMs = isolationGraceMs(intent);
    const line = renderDeadline({ bootId, atMs, graceMs, isAsked, target });
    if (known?.line === line) return;
    directory.write(member, line);
    this.#armed.set(member, { atMs, target, line });
  }

  #disarm(member: string): void {
    this.#asked.delete(member);
    this.#orphans.delete(member);
    if (this.#armed.delete(member)) this.#try(member, () => this.options.directory.remove(member));
  }

  /** What no order names is left to its deadline, and then forgotten. */
  #forget(orders: readonly MemberIntent[]): void {
    const named = new Set(orders.map(({ member }) => member));
    for (const member of [...this.#armed.keys()]) {
      if (named.has(member)) continue;
      const since = this.#orphans.get(member) ?? this.options.monotonic();
      this.#orphans.set(member, since);
      if (this.options.monotonic() - since > FORGET_AFTER_MS) this.#disarm(member);
    }
  }

  #tellStops(): void {
    const stops = this.options.directory.stops();
    for (const { member, atMs, how } of stops.slice(this.#toldStops))
      this.options.log.error(
        { member },
        `the dead-man ${how} ${member} at ${new Date(this.#wallClockOf(atMs)).toISOString()}: its permit had run out and this host's agent had not stopped it`,
      );
    this.#toldStops = stops.length;
  }
}
