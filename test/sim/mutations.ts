// Deliberate mistakes in the safety code, one text each. A mutation whose text does not stand exactly once in its file
// any more is an error, so that none of them fades away unseen. docs/testing.md says how soon each is caught.
import type { Goal } from '@leafward/shared/gen/domain.js';
import type { Mutation } from './load.js';

/** What makes a mistake show sooner. The checkers are the same. */
export interface Provocation {
  /** Kinds of faults; every seed of the search has them and few others. */
  readonly provokedBy?: readonly string[];
  /** What operators order more often than anything else. */
  readonly orders?: Goal['kind'];
  /** The only fleet (layouts.ts). */
  readonly layout?: number;
}

export interface Mistake extends Mutation, Provocation {
  /** Nothing goes wrong, and nothing ends. */
  readonly showsByWaiting?: boolean;
}

const AGENT = 'packages/agent/src';
const PLANNING = 'packages/controller/src/planning';

export const mutations: readonly Mistake[] = [
  {
    name: 'skip-the-fence',
    file: `${PLANNING}/moves/fence.ts`,
    find: "if (proof !== undefined) return { kind: 'done', note: proof };",
    replace: "return { kind: 'done', note: proof ?? 'not waited for' };",
    provokedBy: ['leader hangs', 'controller out of reach', 'host cut off'],
    orders: 'failover',
    layout: 0,
  },
  {
    name: 'choose-unfenced',
    file: `${PLANNING}/moves/fence.ts`,
    find: 'if (!isStopped(member)) return undefined;',
    replace: '',
  },
  {
    name: 'choose-the-least',
    file: `${PLANNING}/candidates.ts`,
    find: 'positionRank(a) - positionRank(b) ||',
    replace: 'positionRank(b) - positionRank(a) ||',
  },
  {
    name: 'lease-without-its-grace',
    file: 'packages/shared/src/lease.ts',
    find: 'return leaseMs + AGENT_TURN_MS + DEADMAN_LOOK_MS + graceMs + KILL_MS + marginMs;',
    replace: 'return 0.3 * leaseMs + 0 * (graceMs + marginMs);',
    provokedBy: ['leader hangs', 'controller out of reach', 'host cut off'],
    orders: 'failover',
  },
  {
    name: 'services-are-shared',
    file: `${PLANNING}/safety.ts`,
    find: '.filter((other) => other.id !== own?.id && (own === undefined || isBefore(other, own)))',
    replace: '.filter(() => false)',
  },
  {
    name: 'stop-beside-the-dead',
    file: `${PLANNING}/safety.ts`,
    find: '.filter(({ member, diagnosis }) => member.name !== stopped && !diagnosis.needsUpdate)',
    replace: '.filter(() => false)',
  },
  {
    name: 'backup-gate-off',
    file: `${PLANNING}/safety.ts`,
    find: 'if (!requireBackup) return [];',
    replace: 'if (requireBackup) return [];',
    orders: 'update',
  },
  {
    name: 'any-epoch-commits',
    file: 'packages/controller/src/store/fleet-store.ts',
    find: 'if (now === epoch) return;',
    replace: 'if (now !== -1) return;',
    provokedBy: ['second controller', 'controller stopped'],
    orders: 'backup',
  },
  {
    name: 'epoch-ignored',
    file: `${AGENT}/intents.ts`,
    find: 'intent.epoch < known.epoch',
    replace: 'intent.epoch < -known.epoch',
    provokedBy: ['orders come late', 'second controller', 'controller out of reach'],
  },
  {
    name: 'older-order-accepted',
    file: `${AGENT}/intents.ts`,
    find: 'intent.generation < known.generation',
    replace: 'intent.generation < -known.generation',
    provokedBy: ['orders come late', 'second controller', 'controller out of reach'],
  },
  {
    name: 'promotion-repeated',
    file: `${AGENT}/requests/kinds.ts`,
    find: "  'resolve-image',\n",
    replace: "  'resolve-image',\n  'promote',\n  'run-backup',\n",
    provokedBy: ['agent killed while it writes', 'agent killed'],
    orders: 'promote',
  },
  {
    name: 'outcome-guessed',
    file: `${AGENT}/requests/outcomes.ts`,
    find: "    state: 'unknown',",
    replace: "    state: 'succeeded',",
    provokedBy: ['agent killed while it writes'],
    orders: 'promote',
  },
  {
    name: 'journal-not-synced',
    file: `${AGENT}/journal.ts`,
    find: 'await file.datasync();\n    this.#torn = false;',
    replace: 'this.#torn = false;',
  },
  {
    name: 'start-without-permit',
    file: `${AGENT}/plan/start.ts`,
    find: "return intent.boot === 'wait' || intent.isolation.onIsolation === 'stop';",
    replace: 'return false;',
  },
  {
    name: 'forget-the-marker',
    file: `${AGENT}/plan/retired.ts`,
    find: "if (marker.kind === 'found' && marker.marker.retired !== undefined) return;",
    replace: 'if (marker !== undefined) return;',
    provokedBy: ['leader hangs', 'program killed'],
    orders: 'failover',
    showsByWaiting: true,
  },
  {
    name: 'retired-is-forgiven',
    file: `${AGENT}/plan.ts`,
    find: 'if (isRetiredHere(member, observed.journal)) {',
    replace:
      "if (isRetiredHere(member, observed.journal) && member.container.state === 'running') {",
  },
  {
    name: 'shared-storage-allowed',
    file: `${AGENT}/plan/running.ts`,
    find: 'if (users.length === 0) return false;',
    replace: 'if (users.length >= 0) return false;',
    provokedBy: ['somebody else on a storage', 'program killed'],
  },
  {
    name: 'secrets-in-reports',
    file: `${AGENT}/observe.ts`,
    find: '.map(secrets.redact)\n      .map(withoutSecrets)',
    replace: '.map((line) => (withoutSecrets(line) === "" ? "" : line))',
  },
];
