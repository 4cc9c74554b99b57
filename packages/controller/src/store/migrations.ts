// Every step of the schema, in order. A step that was released is never changed.
import type { Kysely } from 'kysely';
import * as fleet from './migrations/001-fleet.js';
import * as identities from './migrations/002-identities.js';
import * as secrets from './migrations/003-secrets.js';
import * as automaticFailover from './migrations/004-automatic-failover.js';
import * as spaceSamples from './migrations/005-space-samples.js';
import * as planFacts from './migrations/006-plan-facts.js';

export const migrations: Readonly<Record<string, { up(db: Kysely<unknown>): Promise<void> }>> = {
  '001-fleet': fleet,
  '002-identities': identities,
  '003-secrets': secrets,
  '004-automatic-failover': automaticFailover,
  '005-space-samples': spaceSamples,
  '006-plan-facts': planFacts,
};
