// What a pass may do to the world, as data. The controller carries effects out in order in one store
// transaction (effects.ts beside controller.ts applies them); planners only return them.
import type { MemberIntent, Request } from '@leafward/shared/gen/domain.js';
import type { ServiceDeclaration } from '@leafward/shared/manifest/types.js';
import type { Topology } from '@leafward/shared/topology.js';

export type Effect =
  /** Replaces the intents of these members in their hosts' intents; each host's generation rises by one. */
  | {
      readonly kind: 'set-intents';
      readonly host: string;
      readonly intents: readonly MemberIntent[];
    }
  /** Takes a member out of a host's intent. */
  | { readonly kind: 'drop-intent'; readonly host: string; readonly member: string }
  | { readonly kind: 'set-topology'; readonly topology: Topology }
  | { readonly kind: 'set-service'; readonly declaration: ServiceDeclaration }
  /** Created once: an id that exists already is left alone. */
  | { readonly kind: 'send-request'; readonly host: string; readonly request: Request };
