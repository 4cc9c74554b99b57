// Stands for link/dial.ts: the same two ends, over the simulated network.
import type { Dialled, DialEvents } from '@leafward/agent/link/dial.js';
import type { IdentityKeeper } from '@leafward/shared/pki/identity-keeper.js';
import { machine } from './machine.js';

export type { Dialled, DialEvents } from '@leafward/agent/link/dial.js';

export const dial = (_: IdentityKeeper, events: DialEvents): Dialled => machine().dial(events);
