// What a pass over all services that are failed over by themselves comes to, as data.
import type { Plan } from '@leafward/shared/gen/domain.js';
import type { AutomaticState, ProbeRound } from '../snapshot.js';

export type AutomaticStep =
  | {
      readonly kind: 'begin';
      readonly service: string;
      readonly plan: Plan;
      readonly from: string;
    }
  /** The planner was wrong; nothing comes of it. */
  | { readonly kind: 'bug'; readonly service: string; readonly message: string }
  | { readonly kind: 'ask'; readonly service: string; readonly round: ProbeRound }
  /** What is to be remembered; `event` for the log. Not durable: memory only. */
  | {
      readonly kind: 'remember';
      readonly service: string;
      readonly state: AutomaticState;
      readonly isDurable: boolean;
      readonly event?: string | undefined;
    };
