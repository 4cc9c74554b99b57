// What a planner hands back before ids, digests and the proof are added: the same for all kinds of plans. Pure.
import type { Evidence, Gate, Move, Refusal, ServiceOutlook } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import type { Objection } from './words.js';

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

/** A move without its id: ids are given in order once a plan is complete. */
export type DraftMove = WithoutId<Move>;

export interface Draft {
  readonly services: readonly string[];
  readonly moves: readonly DraftMove[];
  readonly gates: readonly Gate[];
  readonly refusals: readonly Refusal[];
  readonly warnings: readonly string[];
  readonly unchanged: readonly string[];
  readonly expectedDowntimeMs?: number | undefined;
  /** Of an update. */
  readonly outlooks?: readonly ServiceOutlook[] | undefined;
}

export const emptyDraft: Draft = {
  services: [],
  moves: [],
  gates: [],
  refusals: [],
  warnings: [],
  unchanged: [],
};

export interface GateCheck {
  readonly name: string;
  /** Said when nothing objects. */
  readonly passed: string;
  readonly objections: readonly Objection[];
  readonly evidence?: readonly Evidence[];
}

/** Every objection fails the gate and refuses the plan: a gate is never only a remark. */
export function judge(checks: readonly GateCheck[]): Pick<Draft, 'gates' | 'refusals'> {
  return {
    gates: checks.map(({ name, passed, objections, evidence = [] }) => ({
      name,
      passed: objections.length === 0,
      message: objections.length === 0 ? passed : objections.map((o) => o.message).join('; '),
      evidence: objections.length === 0 ? evidence : objections.flatMap((o) => o.evidence),
    })),
    refusals: checks.flatMap(({ objections }) => objections),
  };
}

export const expectedMs = (
  snapshot: Snapshot,
  service: string,
  kind: Move['kind'],
): number | undefined => snapshot.history[`${service}/${kind}`];

export function join(drafts: readonly Draft[]): Draft {
  const outlooks = drafts.flatMap((draft) => draft.outlooks ?? []);
  return {
    ...(outlooks.length === 0 ? {} : { outlooks }),
    services: [...new Set(drafts.flatMap((draft) => draft.services))],
    moves: drafts.flatMap((draft) => draft.moves),
    gates: drafts.flatMap((draft) => draft.gates),
    refusals: drafts.flatMap((draft) => draft.refusals),
    warnings: drafts.flatMap((draft) => draft.warnings),
    unchanged: drafts.flatMap((draft) => draft.unchanged),
    expectedDowntimeMs: drafts.reduce<number | undefined>(
      (sum, draft) =>
        draft.expectedDowntimeMs === undefined ? sum : (sum ?? 0) + draft.expectedDowntimeMs,
      undefined,
    ),
  };
}
