// The agent: follows orders that may be followed, looks, plans, acts, tells. Holds no rule of its own: what
// may be done is in plan.ts and intents.ts, what was done in the journal. Must go on alone without a controller.
import type { Clock } from '@leafward/shared/clock.js';
import { isAbort, LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type {
  Hello,
  HostFact,
  HostIntent,
  IntentAnswer,
  MemberFact,
  MemberIntent,
  SecretValue,
  SessionRequest,
  SessionResponse,
} from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import { startLoop, type Loop } from '@leafward/shared/loop.js';
import { secretsOfIntent } from '@leafward/shared/secrets.js';
import { canonicalJson } from '@leafward/shared/spec-digest.js';
import { createChains, type Chains } from './chains.js';
import type { Duties } from './duty/duties.js';
import { createEpochs, type Epochs } from './epochs.js';
import type { Evictions } from './evictions.js';
import type { Hands } from './hands.js';
import { createFences, type Fences } from './fences.js';
import { judgeIntent } from './intents.js';
import type { Histories } from './histories.js';
import type { Journal } from './journal.js';
import { createGlances, type Glances } from './glances.js';
import { LOOK_EVERY_MS, nextLookMs } from './look-again.js';
import { helloOf, memoryOf } from './memory.js';
import type { Observer } from './observe.js';
import type { Permits } from './permits.js';
import { hostMonotonicMs } from './permits.js';
import { planSteps, type MemberPlan, type Observed } from './plan.js';
import { essenceOf, memberFacts } from './report.js';
import { createReporter, type Reporter, type ReporterOptions } from './reporter.js';
import type { Requests } from './requests.js';
import type { Secrets } from './secrets.js';
import { withoutUnsettled } from './unsettled.js';

export interface AgentOptions extends Pick<
  ReporterOptions,
  'backups' | 'certificates' | 'findings'
> {
  readonly host: string;
  readonly version: string;
  readonly bootId: string;
  readonly kinds: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly journal: Journal;
  readonly permits: Permits;
  readonly observer: Observer;
  readonly evictions: Evictions;
  readonly hands: Hands;
  readonly secrets: Secrets;
  /** Opened with `onChange` of this agent's `wake`. */
  readonly requests: Requests;
  readonly duties: Pick<Duties, 'facts' | 'heard'>;
  readonly histories?: Pick<Histories, 'heard'>;
  readonly observeHost: () => Promise<HostFact>;
  /** False: nobody takes it now. */
  readonly send: (message: SessionRequest) => boolean;
  /** What is checked of this host may be judged otherwise now: a new order, or a controller's clock. */
  readonly onNews: () => void;
  /** Host-monotonic; default the kernel's. */
  readonly monotonic?: () => number;
}

export interface Agent {
  hello(): Hello;
  /** @throws LeafwardError `stale` for a controller that was deposed: the session must end. */
  receive(message: SessionResponse): void;
  connected(isConnected: boolean): void;
  /** Something of a runtime has changed: tell a death at once, and look again soon. */
  changed(): void;
  /** Look again soon. */
  wake(): void;
  /** Tell soon, without looking again. */
  tell(): void;
  /** True while steps of this member are carried out. */
  isBusy(member: string): boolean;
  /** Age of the last finished pass, milliseconds, for the watchdog. */
  idleMs(): number;
  /** For tests and the status: what was seen last. */
  facts(): readonly MemberFact[];
  /** Ends what runs safely; members go on. */
  stop(): Promise<void>;
}

const PASS_DEADLINE_MS = 30_000;
const BUSY_REPORT_MS = 1000;

export function startAgent(options: AgentOptions): Agent {
  return new RunningAgent(options);
}

class RunningAgent implements Agent {
  readonly #chains: Chains;
  readonly #fences: Fences;
  readonly #glances: Glances;
  readonly #epochs: Epochs;
  readonly #reporter: Reporter;
  readonly #loop: Loop;
  readonly #monotonic: () => number;
  #facts: readonly MemberFact[] = [];
  #plans: readonly MemberPlan[] = [];
  #observed: Observed | undefined;
  #essence = '';
  #refusedIntents = 0;
  #lastIntent: Promise<void> = Promise.resolve();
  #lookTimer: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(readonly options: AgentOptions) {
    this.#monotonic = options.monotonic ?? hostMonotonicMs;
    this.#chains = createChains({
      hands: options.hands,
      currentIntent: (member) => this.#intents().find((intent) => intent.member === member),
      onEnd: (intent, steps) => {
        options.observer.note(intent, steps);
        this.wake();
      },
      onActivity: () => this.tell(),
    });
    this.#epochs = createEpochs({
      permits: options.permits,
      log: options.log,
      orderEpoch: () => options.journal.state.intent?.epoch ?? 0,
    });
    this.#fences = createFences({
      intents: () => this.#intents(),
      permits: options.permits,
      chains: this.#chains,
      stateOf: (name) =>
        this.#observed?.members.find(({ intent }) => intent.member === name)?.container.state,
    });
    this.#glances = createGlances(options.observer, () => this.tell());
    this.#reporter = createReporter({
      ...options,
      monotonic: this.#monotonic,
      send: (report) => options.send({ kind: 'report', ...report }),
      duties: () => options.duties.facts(),
      members: () => this.#currentFacts(),
      outcomes: () => options.requests.outcomes(),
      memory: () => memoryOf(options.journal.state),
      // What is told was seen under this order, however much newer one has come meanwhile.
      generation: () => this.#observed?.journal.intent?.generation ?? 0,
      isReady: () => this.#observed !== undefined,
      refusedOrders: () => this.#refused(),
    });
    this.#loop = startLoop({
      name: 'agent',
      clock: options.clock,
      log: options.log,
      everyMs: LOOK_EVERY_MS,
      deadlineMs: PASS_DEADLINE_MS,
      pass: (signal) => this.#pass(signal),
    });
  }

  hello(): Hello {
    return helloOf(this.options);
  }

  receive(message: SessionResponse): void {
    switch (message.kind) {
      case 'welcome':
        this.#epochs.welcomed(message.epoch);
        this.#reporter.welcomed(message.reportEveryMs, message.rebuilding);
        return;
      case 'intent':
        this.#lastIntent = this.#lastIntent.then(() => this.#follow(message.intent));
        return;
      case 'secret':
        // Before the order that names it, in the same line.
        this.#lastIntent = this.#lastIntent.then(() => this.#keep(message));
        return;
      case 'request':
        // After the orders that came before it: a request may belong to the newest one.
        this.#lastIntent = this.#lastIntent.then(() =>
          this.options.requests.receive(message.request),
        );
        return;
      case 'report-answer': {
        const sentAt = this.#reporter.answered(message.sequence, message.reportEveryMs);
        if (sentAt !== undefined) this.#permit(message.permits, sentAt);
        this.options.duties.heard(message.services);
        this.options.histories?.heard(message.histories);
        this.#lastIntent = this.#lastIntent.then(() => this.#acknowledge(message.settled));
        return;
      }
      case 'pace':
        // What is told must have been seen after the controller asked.
        this.#reporter.paced(message.reportEveryMs);
        this.wake();
        return;
      default: // `reconnect` and `logs-wish` are for who holds the link
        return;
    }
  }

  connected(isConnected: boolean): void {
    if (isConnected) this.options.onNews();
    else this.#reporter.disconnected();
  }

  changed(): void {
    if (!this.#stopping) this.#glances.glance();
    this.wake();
  }

  wake(): void {
    if (!this.#stopping) this.#loop.wake();
  }

  tell(): void {
    this.#reporter.soon();
  }

  isBusy(member: string): boolean {
    return this.#chains.isBusy(member);
  }

  idleMs(): number {
    return this.#loop.idleMs();
  }

  facts(): readonly MemberFact[] {
    return this.#currentFacts();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#lookTimer);
    this.#fences.stop();
    this.#reporter.stop();
    await Promise.all([this.#loop.stop(), this.#glances.stop()]);
    await this.#lastIntent;
    await Promise.all([
      this.#chains.stop(),
      this.options.requests.stop(),
      this.options.evictions.stop(),
    ]);
  }

  async #pass(signal: AbortSignal): Promise<string | undefined> {
    const unsettled = new Set(this.#chains.obsoleteMembers());
    // What is seen while steps are at work may be half of the truth; their end wakes the next pass.
    const changing = new Set(
      this.#intents()
        .map(({ member }) => member)
        .filter(this.#isChanging),
    );
    const beganAt = this.#monotonic();
    const seen = await this.options.observer.observe(this.#waitingSince(), signal);
    const tookMs = this.#monotonic() - beganAt;
    const observed = withoutUnsettled(seen, unsettled);
    const plans = planSteps(observed);
    this.#observed = observed;
    this.#plans = plans;
    if (!this.#stopping) this.options.evictions.begin(observed.trespassers ?? []);
    const begun = this.#begin(observed, plans, changing);
    this.#look(observed, tookMs);
    const facts = this.#currentFacts();
    const essence = essenceOf(facts);
    if (essence !== this.#essence) this.tell();
    this.#essence = essence;
    return begun.length === 0 ? undefined : `begun: ${begun.join('; ')}`;
  }

  readonly #isChanging = (member: string): boolean =>
    this.#chains.isBusy(member) || this.options.requests.isRestoring(member);

  #begin(
    observed: Observed,
    plans: readonly MemberPlan[],
    changing: ReadonlySet<string>,
  ): readonly string[] {
    const begun: string[] = [];
    if (this.#stopping) return begun;
    for (const [index, plan] of plans.entries()) {
      const member = observed.members[index];
      if (member === undefined || plan.steps.length === 0) continue;
      if (changing.has(plan.member) || this.#isChanging(plan.member)) continue;
      if (!this.#isCurrent(member.intent)) continue;
      if (this.#chains.begin(member.intent, plan.steps))
        begun.push(`${plan.member}: ${plan.steps.map((step) => step.kind).join(', ')}`);
    }
    return begun;
  }

  #isCurrent(intent: MemberIntent): boolean {
    const now = this.#intents().find((one) => one.member === intent.member);
    return now === intent || (now !== undefined && canonicalJson(now) === canonicalJson(intent));
  }

  /** The next look comes sooner while something is about to change. */
  #look(observed: Observed, tookMs: number): void {
    clearTimeout(this.#lookTimer);
    if (this.#stopping) return;
    this.#fences.watch();
    const isBusy = this.#reporter.everyMs() < BUSY_REPORT_MS;
    const inMs = nextLookMs(observed, { isBusy, tookMs });
    if (inMs < LOOK_EVERY_MS) this.#lookTimer = setTimeout(() => this.wake(), inMs);
  }

  #currentFacts(): readonly MemberFact[] {
    const { requests } = this.options;
    if (this.#observed !== undefined)
      this.#facts = memberFacts(
        this.options.observer.withEnds(this.#observed),
        this.#plans,
        (member) => this.#chains.activityOf(member) ?? requests.activityOf(member),
      );
    return this.#facts;
  }

  #waitingSince(): Observed['waitingSince'] {
    return Object.fromEntries(
      this.#plans.flatMap(({ waits }) =>
        waits.map((wait) => [`${wait.subject}/${wait.code}`, wait.since] as const),
      ),
    );
  }

  #intents(): readonly MemberIntent[] {
    return this.options.journal.state.intent?.members ?? [];
  }

  async #follow(intent: HostIntent): Promise<void> {
    const { journal, clock, log } = this.options;
    const judgement = judgeIntent(intent, { ...this.options, state: journal.state });
    try {
      if (judgement.kind === 'new') {
        const accepted = journal.append({ kind: 'intent-accepted', at: clock.now(), intent });
        // Whether it can be remembered or not, and when: whoever it retires must not lead meanwhile (I1).
        this.#fences.retire(intent, this.#intents());
        await accepted;
      }
    } catch (error) {
      if (!(error instanceof LeafwardError)) throw error;
      return this.#answer({
        generation: intent.generation,
        accepted: false,
        reason: error.message,
      });
    }
    if (judgement.kind === 'refused') {
      this.#refusedIntents += 1;
      log.warn({ generation: intent.generation }, `refused an order: ${judgement.reason}`);
      return this.#answer({
        generation: intent.generation,
        accepted: false,
        reason: judgement.reason,
      });
    }
    if (judgement.kind === 'new') {
      log.info({ generation: intent.generation, epoch: intent.epoch }, 'accepted an order');
      this.#chains.intentChanged();
      this.options.requests.intentChanged();
      this.options.onNews();
      this.#epochs.accepted(intent);
    }
    this.#answer({ generation: intent.generation, accepted: true });
    await this.options.secrets.retain(secretsOfIntent(intent));
    this.wake();
  }

  async #keep(secret: SecretValue): Promise<void> {
    await this.options.secrets.keep(secret);
    this.wake(); // a member may have waited for it
  }

  #refused(): number {
    return this.#refusedIntents + this.#epochs.refused() + this.options.requests.refusedCount();
  }

  #answer(answer: IntentAnswer): void {
    this.options.send({ kind: 'intent-answer', ...answer });
    this.tell();
  }

  #permit(permits: Parameters<Permits['renew']>[0], sentAt: number): void {
    this.#epochs.renew(permits, sentAt);
    const waits = this.#plans.some((plan) => plan.waits.some(({ code }) => code === 'no-permit'));
    if (waits && permits.length > 0) this.wake();
  }

  async #acknowledge(ids: readonly string[]): Promise<void> {
    try {
      if (ids.length > 0) await this.options.requests.acknowledge(ids);
    } catch (error) {
      if (!(error instanceof LeafwardError) && !isAbort(error)) throw error;
      this.options.log.warn(messageOf(error)); // they are told again, and acknowledged again
    }
  }
}
