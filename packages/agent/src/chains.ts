// One chain of steps at a time for each member, side by side: a pull or a stop that hangs on one member keeps
// no other waiting. Must never let a chain go on once its member's order has changed.
import { canonicalJson } from '@leafward/shared/spec-digest.js';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { executeSteps } from './execute.js';
import type { Hands } from './hands.js';
import type { Step } from './plan.js';

/** What came of a chain. */
export interface Ended {
  readonly error?: string | undefined;
  readonly failedStep?: string | undefined;
  /** Kinds of the steps that were done. */
  readonly done: readonly string[];
}

export interface ChainsOptions {
  readonly hands: Hands;
  /** The order of a member that holds now. */
  readonly currentIntent: (member: string) => MemberIntent | undefined;
  readonly onEnd: (intent: MemberIntent, steps: Ended) => void;
  readonly onActivity: () => void;
}

export interface Chains {
  /** False: one of this member is at work. */
  begin(intent: MemberIntent, steps: readonly Step[]): boolean;
  isBusy(member: string): boolean;
  /** Members whose steps were planned for an order that holds no more. */
  obsoleteMembers(): readonly string[];
  activityOf(member: string): string | undefined;
  /** Breaks off what may take long and whose order has changed; everything else ends by itself, soon. */
  intentChanged(): void;
  stop(): Promise<void>;
}

interface Link {
  readonly intent: MemberIntent;
  readonly key: string;
  readonly abort: AbortController;
  readonly steps: readonly Step[];
  activity: string | undefined;
  done: Promise<void>;
}

/** Longer than any step: an image of some GB. Each driver call has its own, shorter deadline. */
const CHAIN_DEADLINE_MS = 45 * 60_000;
/** Some TB over a slow line; the engine knows better how long its own seed may take. */
const SEED_DEADLINE_MS = 3 * 24 * 60 * 60_000;
const LONG = /^(pull|seed|set-aside) /;

/**
 * What a chain depends on of its order. A seed of hours does not begin anew because a term was counted up: what it
 * fills is told the new one before its start.
 */
function keyOf(intent: MemberIntent, steps: readonly Step[]): string {
  if (!steps.some(({ kind }) => kind === 'seed')) return canonicalJson(intent);
  const { member, service, spec, run, role, upstream, exec, reseed } = intent;
  return canonicalJson({ member, service, spec, run, role, upstream, exec, reseed });
}

export function createChains(options: ChainsOptions): Chains {
  const links = new Map<string, Link>();
  const isCurrent = (link: Link): boolean => {
    const now = options.currentIntent(link.intent.member);
    return now !== undefined && keyOf(now, link.steps) === link.key;
  };

  const run = async (link: Link): Promise<void> => {
    const isLong = link.steps.some(({ kind }) => kind === 'seed');
    const deadlineMs = CHAIN_DEADLINE_MS + (isLong ? SEED_DEADLINE_MS : 0);
    const signal = AbortSignal.any([link.abort.signal, AbortSignal.timeout(deadlineMs)]);
    const result = await executeSteps(
      {
        intent: link.intent,
        steps: link.steps,
        obsolete: () => (isCurrent(link) ? undefined : 'its order has changed'),
        onActivity: (text) => {
          link.activity = text;
          options.onActivity();
        },
      },
      options.hands,
      signal,
    );
    const { log } = options.hands;
    const member = link.intent.member;
    if (result.error === undefined) log.info({ member }, result.sentence);
    else log.error({ member }, result.sentence);
    links.delete(member);
    const done = link.steps.slice(0, result.done).map((step) => step.kind);
    options.onEnd(link.intent, { error: result.error, failedStep: result.failedStep, done });
  };
  return {
    begin(intent, steps) {
      if (links.has(intent.member)) return false;
      const link: Link = {
        intent,
        key: keyOf(intent, steps),
        abort: new AbortController(),
        steps,
        activity: undefined,
        done: Promise.resolve(),
      };
      links.set(intent.member, link);
      link.done = run(link).catch((error: unknown) => {
        // Only a broken assertion comes here: crash, restart, recover from the journal.
        queueMicrotask(() => {
          throw error;
        });
      });
      return true;
    },
    isBusy: (member) => links.has(member),
    obsoleteMembers: () =>
      [...links.values()].filter((link) => !isCurrent(link)).map(({ intent }) => intent.member),
    activityOf: (member) => links.get(member)?.activity,
    intentChanged() {
      for (const link of links.values())
        if (!isCurrent(link) && LONG.test(link.activity ?? '')) link.abort.abort();
    },
    async stop() {
      const all = [...links.values()];
      for (const { abort } of all) abort.abort();
      await Promise.all(all.map(({ done }) => done));
    },
  };
}
