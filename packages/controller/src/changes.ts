// What a commit may change, as data: applied to the store and to the memory image in the same order.
import type {
  Backup,
  HostIntent,
  Operation,
  Outcome,
  Plan,
  Image,
  Waiver,
} from '@leafward/shared/gen/domain.js';
import type { BasisFacts } from './planning/basis.js';
import type { StoredSecret } from './secrets/seal.js';
import type {
  AutomaticState,
  RebuildState,
  Rehearsal,
  RequestState,
  ServiceState,
} from './snapshot.js';

export type Images = Readonly<Record<string, Image>>;

export type Change =
  | { readonly kind: 'manifest'; readonly text: string; readonly by: string; readonly at: number }
  | { readonly kind: 'service'; readonly name: string; readonly state: ServiceState }
  | { readonly kind: 'automatic'; readonly service: string; readonly state: AutomaticState }
  | { readonly kind: 'intent'; readonly intent: HostIntent }
  | { readonly kind: 'request'; readonly state: RequestState }
  | { readonly kind: 'outcome'; readonly outcome: Outcome }
  | { readonly kind: 'rehearsal'; readonly rehearsal: Rehearsal }
  | {
      readonly kind: 'plan';
      readonly plan: Plan;
      readonly images: Images;
      /** What it relies on. */
      readonly facts?: readonly BasisFacts[] | undefined;
    }
  | {
      readonly kind: 'operation';
      readonly operation: Operation;
      readonly events: readonly string[];
      readonly at: number;
    }
  | { readonly kind: 'backups'; readonly host: string; readonly backups: readonly Backup[] }
  | { readonly kind: 'waiver'; readonly waiver: Waiver }
  | { readonly kind: 'rebuild'; readonly rebuild: RebuildState }
  | { readonly kind: 'end-waiver'; readonly host: string; readonly check: string }
  | { readonly kind: 'secret'; readonly secret: StoredSecret }
  | { readonly kind: 'forget-secret'; readonly name: string; readonly version: number }
  | {
      readonly kind: 'duration';
      readonly service: string;
      readonly move: string;
      readonly ms: number;
      readonly at: number;
    };
