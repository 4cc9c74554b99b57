// Deliberate mistakes in the safety code, one text each. A mutation whose text does not stand exactly once in its file
// any more is an error, so that none of them fades away unseen. docs/testing.md says how soon each is caught.
import type { Mutation } from './load.js';

export interface Mistake extends Mutation {
  /** Kinds of faults under which it shows; every seed of its search has them. The checkers are the same. */
  readonly provokedBy?: readonly string[];
}

const AGENT = 'packages/agent/src';
const PLANNING = 'packages/controller/src/planning';

export const mutations: readonly Mistake[] = [
  {
    name: 'skip-the-fence',
    file: `${PLANNING}/moves/fence.ts`,
    find: "if (proof !== undefined) return { kind: 'done', note: proof };",
    replace: "return { kind: 'done', note: proof ?? 'not waited for' };",
  },
  {
    name: 'choose-unfenced',
    file: `${PLANNING}/moves/fence.ts`,
    find: 'if (!isStopped(member)) return undefined;',
    replace: '',
  },
  {
    name: 'trust-a-stale-report',
    file: `${PLANNING}/moves/choose.ts`,
    find: 'isSeenAfter(member, fencedAt(context.operation)) &&',
    replace: '',
  },
  {
    name: 'choose-the-least',
    file: `${PLANNING}/candidates.ts`,
    find: 'positionRank(a) - positionRank(b) ||',
    replace: 'positionRank(b) - positionRank(a) ||',
  },
  {
    name: 'fence-is-not-awaited-again',
    file: `${PLANNING}/moves/force-promote.ts`,
    find: 'if (unproven !== undefined) return unproven;',
    replace: '',
  },
  {
    name: 'lease-without-its-grace',
    file: 'packages/shared/src/lease.ts',
    find: 'return leaseMs + AGENT_TURN_MS + DEADMAN_LOOK_MS + graceMs + KILL_MS + marginMs;',
    replace: 'return 0.3 * leaseMs + 0 * (graceMs + marginMs);',
  },
  {
    name: 'permit-for-a-fenced-one',
    file: 'packages/controller/src/permits.ts',
    find: "intent.run === 'running' &&",
    replace: '',
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
    name: 'downgrade-allowed',
    file: `${PLANNING}/safety.ts`,
    find: 'if (!isOlder(image.version, runs)) return [];',
    replace: 'if (image !== undefined) return [];',
  },
  {
    name: 'backup-gate-off',
    file: `${PLANNING}/safety.ts`,
    find: 'if (!requireBackup) return [];',
    replace: 'if (requireBackup) return [];',
  },
  {
    name: 'leader-first',
    file: 'packages/shared/src/topology.ts',
    find: '.sort((a, b) => b.depth - a.depth ||',
    replace: '.sort((a, b) => a.depth - b.depth ||',
  },
  {
    name: 'any-epoch-commits',
    file: 'packages/controller/src/store/fleet-store.ts',
    find: 'if (now === epoch) return;',
    replace: 'if (now !== -1) return;',
  },
  {
    name: 'epoch-ignored',
    file: `${AGENT}/intents.ts`,
    find: 'intent.epoch < known.epoch',
    replace: 'intent.epoch < -known.epoch',
  },
  {
    name: 'older-order-accepted',
    file: `${AGENT}/intents.ts`,
    find: 'intent.generation < known.generation',
    replace: 'intent.generation < -known.generation',
  },
  {
    name: 'term-ignored',
    file: `${AGENT}/intents.ts`,
    find: 'if (term < newest) return',
    replace: 'if (term < -newest) return',
  },
  {
    name: 'request-epoch-ignored',
    file: `${AGENT}/requests/outcomes.ts`,
    find: 'request.epoch < intent.epoch',
    replace: 'request.epoch < -intent.epoch',
  },
  {
    name: 'request-term-ignored',
    file: `${AGENT}/requests/outcomes.ts`,
    find: 'if (request.term < term)',
    replace: 'if (request.term < -term)',
  },
  {
    name: 'request-done-twice',
    file: `${AGENT}/requests.ts`,
    find: 'if (known !== undefined) {',
    replace: 'if (known?.acknowledged === true) {',
  },
  {
    name: 'promotion-repeated',
    file: `${AGENT}/requests.ts`,
    find: "  'resolve-image',\n",
    replace: "  'resolve-image',\n  'promote',\n  'run-backup',\n",
  },
  {
    name: 'outcome-guessed',
    file: `${AGENT}/requests/outcomes.ts`,
    find: "    state: 'unknown',",
    replace: "    state: 'succeeded',",
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
  },
  {
    name: 'secrets-in-reports',
    file: `${AGENT}/observe.ts`,
    find: '.map(secrets.redact)\n      .map(withoutSecrets)',
    replace: '.map((line) => (withoutSecrets(line) === "" ? "" : line))',
  },
];
