// One member's plan while it is being made: the words for steps, waits and refusals. Holds no rule.
import type { Evidence, Refusal, Wait } from '@leafward/shared/gen/domain.js';
import type { Observed, ObservedMember } from './observed.js';
import type { Step } from './steps.js';

export interface MemberPlan {
  readonly member: string;
  readonly steps: readonly Step[];
  readonly waits: readonly Wait[];
  readonly refusals: readonly Refusal[];
}

type StepBody = Step extends infer One ? (One extends Step ? Omit<One, 'member'> : never) : never;

export class Draft {
  readonly #steps: Step[] = [];
  readonly #waits: Wait[] = [];
  readonly #refusals: Refusal[] = [];

  constructor(
    readonly subject: ObservedMember,
    readonly observed: Observed,
  ) {}

  get member(): string {
    return this.subject.intent.member;
  }

  step(step: StepBody): void {
    this.#steps.push({ ...step, member: this.member });
  }

  wait(wait: {
    readonly code: string;
    readonly message: string;
    readonly unblock: string;
    readonly deadlineAt?: number | undefined;
    readonly evidence?: readonly Evidence[];
  }): void {
    const { now, waitingSince } = this.observed;
    this.#waits.push({
      code: wait.code,
      subject: this.member,
      message: wait.message,
      since: waitingSince[`${this.member}/${wait.code}`] ?? now,
      deadlineAt: wait.deadlineAt,
      unblock: wait.unblock,
      evidence: wait.evidence ?? [],
    });
  }

  refuse(refusal: {
    readonly code: string;
    readonly message: string;
    readonly unblock: string;
    readonly evidence?: readonly Evidence[];
  }): void {
    this.#refusals.push({
      code: refusal.code,
      subject: this.member,
      message: refusal.message,
      unblock: refusal.unblock,
      evidence: refusal.evidence ?? [],
    });
  }

  /** After a failed step neither it nor what follows it is tried again at once; what comes before it is new. */
  finished(): MemberPlan {
    const { backoff } = this.subject;
    const again = this.#steps.findIndex(({ kind }) => kind === (backoff.failedStep ?? kind));
    const held = again >= 0 && backoff.cause === 'step' && backoff.leftMs > 0;
    if (held)
      this.wait({
        code: 'step-failed',
        message: `${backoff.lastError ?? 'a step failed'}; tried ${backoff.failures} times`,
        deadlineAt: this.observed.now + backoff.leftMs,
        unblock: 'remove the cause; it is tried again by itself',
      });
    return {
      member: this.member,
      steps: held ? this.#steps.slice(0, again) : this.#steps,
      waits: this.#waits,
      refusals: this.#refusals,
    };
  }
}
