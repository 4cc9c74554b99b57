// The fleet's tables as Kysely sees them. Bodies are JSON of the domain's own types; the columns beside them are
// what is searched by. Identities have tables of their own (identities.ts).
import type { Generated } from 'kysely';

export interface FleetTables {
  meta: { key: string; value: string };
  manifests: { id: Generated<number>; text: string; applied_at: number; applied_by: string };
  services: {
    name: string;
    declaration: string;
    topology: string;
    /** What a failover that acts alone must remember. Null: nothing yet. */
    automatic: string | null;
  };
  intents: { host: string; generation: number; body: string };
  requests: {
    id: string;
    host: string;
    created_at: number;
    body: string;
    outcome: string | null;
    /** 1 while an outcome is still to come. */
    open: number;
  };
  plans: {
    id: string;
    made_at: number;
    body: string;
    images: string;
    /** What it relied on. Null: not kept. */
    facts: string | null;
  };
  operations: { id: string; open: number; created_at: number; body: string };
  operation_events: { id: Generated<number>; operation_id: string; at: number; text: string };
  host_facts: { host: string; received_at: number; body: string };
  backups: {
    host: string;
    service: string;
    name: string;
    member: string;
    finished_at: number;
    body: string;
  };
  waivers: { host: string; check: string; body: string };
  secrets: {
    name: string;
    version: number;
    /** Null: removed. */
    sealed: string | null;
    key_id: string;
    made_at: number;
    made_by: string;
  };
  /** What was measured of a host's volumes. */
  space_samples: { host: string; at: number; body: string };
  durations: { id: Generated<number>; service: string; move: string; ms: number; at: number };
}
