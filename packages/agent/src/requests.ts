// One-shot acts, each at most once (I12): written down before it begins, its outcome after it. What was begun
// and not finished when the agent died is done again where that is harmless, and is `unknown` where it is not.
import { AssertionError } from '@leafward/shared/assert.js';
import type { Clock } from '@leafward/shared/clock.js';
import { isAbort, LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { Outcome, Request } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import type { Journal } from './journal.js';
import { EXCLUSIVE, REPEATABLE, wantsRest } from './requests/kinds.js';
import { lostOutcome, outcomeOf, refusal, refusalByOrder } from './requests/outcomes.js';

/** What a request brought; the rest of its outcome is the same for all. */
export type Result = Partial<
  Pick<
    Outcome,
    | 'image'
    | 'backup'
    | 'history'
    | 'changes'
    | 'position'
    | 'message'
    | 'answers'
    | 'leaderProbe'
    | 'rehearsal'
    | 'verdicts'
    | 'copies'
    | 'secret'
    | 'people'
    | 'https'
    | 'snapshot'
    | 'look'
  >
>;

/** Carries out one kind. @throws LeafwardError; an abort leaves the request open. */
export type Act = (
  request: Request,
  onProgress: (text: string) => void,
  signal: AbortSignal,
) => Promise<Result>;

export interface RequestsOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Logger;
  readonly act: Act;
  /** This host's clock minus the controller's; undefined: never heard. */
  readonly clockOffsetMs: () => number | undefined;
  /** Something to report. */
  readonly onChange: () => void;
  /** Something to report that no look would see otherwise: a backup says this a thousand times. */
  readonly onProgress: () => void;
}

export interface Requests {
  /** Never throws; a request that is known already is not begun again. */
  receive(request: Request): Promise<void>;
  /** Running ones and those that the controller has not stored yet. */
  outcomes(): readonly Outcome[];
  acknowledge(ids: readonly string[]): Promise<void>;
  isPromoting(member: string): boolean;
  /** Its storage is being filled: no step may touch it meanwhile. */
  isRestoring(member: string): boolean;
  /** The run of it that is to be started again. */
  restartOf(member: string): string | undefined;
  /** Breaks off restores of members that shall not be stopped any more. */
  intentChanged(): void;
  /** What is being done to a member on request, in a few words. */
  activityOf(member: string): string | undefined;
  /** How many were refused since the agent started (I11). */
  refusedCount(): number;
  /** Breaks off what runs; it is taken up at the next start. */
  stop(): Promise<void>;
}

/** More than a controller ever has open for one host. */
const MAX_RUNNING = 64;
const SETTLE_AGAIN_MS = 2000;
interface Running {
  readonly request: Request;
  readonly startedAt: number;
  readonly abort: AbortController;
  progress: string | undefined;
  done: Promise<void>;
}

/** Settles or takes up again what an earlier agent left. */
export async function openRequests(options: RequestsOptions): Promise<Requests> {
  const requests = new OpenRequests(options);
  await requests.recover();
  return requests;
}

class OpenRequests implements Requests {
  readonly #running = new Map<string, Running>();
  /** Not worth the journal, or not to be had by it: told once more with each report until acknowledged. */
  readonly #unwritten = new Map<string, Outcome>();
  /** What outcomes tell beside what the journal may hold (I14); lost with this process. */
  readonly #secrets = new Map<string, string>();
  readonly #askedAgain = new Set<string>();
  #refused = 0;
  #stopping = false;

  constructor(readonly options: RequestsOptions) {}

  async recover(): Promise<void> {
    const open = Object.entries(this.options.journal.state.requests);
    for (const [id, { request, outcome, startedAt }] of open) {
      if (outcome !== undefined || request === undefined) continue;
      if (this.#isRepeatable(request)) this.#begin(request, startedAt);
      else await this.#settleLost(lostOutcome(id, request, startedAt, this.options.clock.now()));
    }
  }

  /** A restore that has begun to empty the storage: only its end leaves something that can be started. */
  #isRepeatable({ kind, id }: Request): boolean {
    if (kind !== 'restore-backup') return REPEATABLE.has(kind);
    const fillings = Object.values(this.options.journal.state.fillings ?? {});
    return fillings.some((filling) => filling.id === id);
  }

  /** An agent that could not begin for want of room would fence nobody: told now, written at its next start. */
  async #settleLost(outcome: Outcome): Promise<void> {
    try {
      await this.#settle(outcome);
    } catch (error) {
      if (!(error instanceof LeafwardError)) throw error;
      this.options.log.error({ request: outcome.requestId }, error.message);
      this.#unwritten.set(outcome.requestId, outcome);
    }
  }

  async receive(request: Request): Promise<void> {
    const { id } = request;
    const known = this.options.journal.state.requests[id];
    if (this.#running.has(id) || this.#stopping) return;
    if (known !== undefined) {
      if (known.acknowledged) this.#askedAgain.add(id);
      this.options.onChange();
      return;
    }
    const refusal = this.#refusalOf(request);
    try {
      if (refusal !== undefined) return await this.#refuse(request, refusal);
      const startedAt = this.options.clock.now();
      // Claimed before the write: the same request, sent twice, must not pass twice.
      const running = this.#claim(request, startedAt);
      const written = { ...request, secret: undefined };
      await this.options.journal.append({
        kind: 'request-started',
        at: startedAt,
        request: written,
      });
      this.#run(running);
    } catch (error) {
      this.#running.delete(id);
      if (error instanceof AssertionError) throw error;
      this.#tellUnwritten(request, 'failed', error);
    }
    this.options.onChange();
  }

  outcomes(): readonly Outcome[] {
    const running = [...this.#running.values()].map(
      ({ request, startedAt, progress }): Outcome => ({
        requestId: request.id,
        state: 'running',
        startedAt,
        progress,
        changes: [],
      }),
    );
    const settled = Object.entries(this.options.journal.state.requests).flatMap(([id, one]) =>
      one.outcome !== undefined && (!one.acknowledged || this.#askedAgain.has(id))
        ? [this.#withSecret(one.outcome)]
        : [],
    );
    return [...running, ...settled, ...this.#unwritten.values()];
  }

  #withSecret(outcome: Outcome): Outcome {
    const secret = this.#secrets.get(outcome.requestId);
    return secret === undefined ? outcome : { ...outcome, secret };
  }

  async acknowledge(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      this.#askedAgain.delete(id);
      this.#unwritten.delete(id);
      this.#secrets.delete(id);
    }
    const { requests } = this.options.journal.state;
    const fresh = ids.filter(
      (id) => requests[id]?.outcome !== undefined && !requests[id].acknowledged,
    );
    if (fresh.length > 0)
      await this.options.journal.append({ kind: 'outcomes-acknowledged', ids: fresh });
  }

  isPromoting(member: string): boolean {
    return this.#ofMember(member).some(({ request }) => request.kind === 'promote');
  }

  isRestoring(member: string): boolean {
    return this.#ofMember(member).some(({ request }) => wantsRest(request));
  }

  restartOf(member: string): string | undefined {
    for (const { request } of this.#ofMember(member))
      if (request.kind === 'restart-member') return request.runId;
    return undefined;
  }

  intentChanged(): void {
    const members = this.options.journal.state.intent?.members ?? [];
    const stopped = members.filter(({ run }) => run === 'stopped').map(({ member }) => member);
    for (const { request, abort } of this.#running.values())
      if (wantsRest(request) && !stopped.includes(request.member)) abort.abort();
  }

  activityOf(member: string): string | undefined {
    const [running] = this.#ofMember(member);
    if (running === undefined) return undefined;
    const { request, progress } = running;
    return progress === undefined ? request.kind : `${request.kind}: ${progress}`;
  }

  refusedCount(): number {
    return this.#refused;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const running = [...this.#running.values()];
    for (const { abort } of running) abort.abort();
    await Promise.all(running.map(({ done }) => done));
  }

  #ofMember(member: string): readonly Running[] {
    return [...this.#running.values()].filter(({ request }) => request.member === member);
  }

  #refusalOf(request: Request): LeafwardError | undefined {
    const { state } = this.options.journal;
    const late = this.#lateness(request);
    return (
      refusalByOrder(request, state.intent, state.terms) ??
      (late === undefined ? undefined : refusal('stale', request, late)) ??
      (this.#running.size >= MAX_RUNNING
        ? refusal('exhausted', request, `${MAX_RUNNING} requests are open here already`)
        : undefined) ??
      this.#refusalByCompany(request)
    );
  }

  /** A promotion does not wait for a backup: it may be a failover. Everything else waits for what is under way. */
  #refusalByCompany(request: Request): LeafwardError | undefined {
    if (!EXCLUSIVE.has(request.kind)) return undefined;
    const other = this.#ofMember(request.member).find(
      (one) =>
        EXCLUSIVE.has(one.request.kind) &&
        !(request.kind === 'promote' && one.request.kind === 'run-backup'),
    );
    if (other === undefined) return undefined;
    return refusal('refused', request, `${other.request.kind} ${other.request.id} is at it (I10)`);
  }

  #lateness(request: Request): string | undefined {
    const now = this.options.clock.now() - (this.options.clockOffsetMs() ?? 0);
    if (request.expiresAt <= 0 || now <= request.expiresAt) return undefined;
    return `it expired ${Math.round((now - request.expiresAt) / 1000)} s ago by the controller's clock`;
  }

  async #refuse(request: Request, error: LeafwardError): Promise<void> {
    this.#refused += 1;
    this.options.log.warn({ request: request.id, kind: request.kind }, error.message);
    if (error.code === 'exhausted') return this.#tellUnwritten(request, 'refused', error);
    const now = this.options.clock.now();
    await this.#settle(outcomeOf(request, { startedAt: now, state: 'refused', now }, error));
    this.options.onChange();
  }

  #tellUnwritten(request: Request, state: 'failed' | 'refused', error: unknown): void {
    const now = this.options.clock.now();
    if (this.#unwritten.size >= MAX_RUNNING) this.#unwritten.clear(); // they are sent again
    this.#unwritten.set(request.id, outcomeOf(request, { startedAt: now, state, now }, error));
  }

  #begin(request: Request, startedAt: number): void {
    this.#run(this.#claim(request, startedAt));
  }

  #claim(request: Request, startedAt: number): Running {
    const abort = new AbortController();
    const running: Running = {
      request,
      startedAt,
      abort,
      progress: undefined,
      done: Promise.resolve(),
    };
    this.#running.set(request.id, running);
    return running;
  }

  #run(running: Running): void {
    running.done = this.#carryOut(running).catch((error: unknown) => {
      // Only a broken assertion comes here: crash, restart, recover from the journal.
      queueMicrotask(() => {
        throw error;
      });
    });
  }

  async #carryOut(running: Running): Promise<void> {
    const { request, startedAt, abort } = running;
    const { log, clock } = this.options;
    const onProgress = (text: string): void => {
      if (running.progress === text) return;
      running.progress = text;
      this.options.onProgress();
    };
    log.info({ request: request.id, member: request.member }, `${request.kind} begins`);
    let outcome: Outcome;
    try {
      const { secret, ...result } = await this.options.act(request, onProgress, abort.signal);
      const now = clock.now();
      if (secret !== undefined) this.#secrets.set(request.id, secret);
      outcome = {
        ...outcomeOf(request, { startedAt, state: 'succeeded', now }),
        ...result,
      };
    } catch (error) {
      if (error instanceof AssertionError) throw error;
      // Broken off by the end of the agent: the next one decides.
      if (this.#stopping && (isAbort(error) || abort.signal.aborted)) return;
      outcome = outcomeOf(request, { startedAt, state: 'failed', now: clock.now() }, error);
    }
    log.info(
      { request: request.id, member: request.member, code: outcome.code },
      `${request.kind}: ${outcome.state}${outcome.message === undefined ? '' : `: ${outcome.message}`}`,
    );
    await this.#settleAtLast(outcome);
    this.#running.delete(request.id);
    this.options.onChange();
  }

  /** A full disk does not make an outcome forgotten: it is tried until there is room or the agent ends. */
  async #settleAtLast(outcome: Outcome): Promise<void> {
    while (!this.#stopping) {
      try {
        return await this.#settle(outcome);
      } catch (error) {
        if (error instanceof AssertionError) throw error;
        this.options.log.error({ request: outcome.requestId }, messageOf(error));
        await this.options.clock.sleep(SETTLE_AGAIN_MS);
      }
    }
  }

  async #settle(outcome: Outcome): Promise<void> {
    await this.options.journal.append({ kind: 'request-settled', outcome });
  }
}
