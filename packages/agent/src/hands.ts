// What carrying out a member's steps needs. Types only.
import type { Clock } from '@leafward/shared/clock.js';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import type { BootHooks } from './boot-hooks.js';
import type { Catalogue } from './backups/catalogue.js';
import type { Pins } from './backups/pins.js';
import type { Deadman } from './deadman/deadman.js';
import type { Engine } from './engines/engine.js';
import type { Journal } from './journal.js';
import type { Permits } from './permits.js';
import type { Runtime } from './runtimes/runtime.js';
import type { Secrets } from './secrets.js';

/** What a chain of steps works with. */
export interface Hands {
  readonly journal: Journal;
  readonly permits: Permits;
  readonly secrets: Pick<Secrets, 'environmentOf' | 'redact'>;
  /** Stops a leader whose permit runs out, should this agent hang. */
  readonly deadman?: Pick<Deadman, 'beforeStart' | 'asked'> | undefined;
  /** Writes scripts that containers run at their start. Undefined: there is no place for them. */
  readonly hooks?: BootHooks | undefined;
  /** What storages are filled from. Undefined: this agent has no backups. */
  readonly backups?:
    { readonly catalogue: Pick<Catalogue, 'list' | 'refresh'>; readonly pins: Pins } | undefined;
  readonly now: () => number;
  readonly clock: Clock;
  readonly fleet?: string | undefined;
  readonly log: Logger;
  readonly runtimeOf: (intent: MemberIntent) => Runtime;
  /** @throws LeafwardError `invalid` for a kind that this agent does not know. */
  readonly engineOf: (intent: MemberIntent) => Engine;
}
