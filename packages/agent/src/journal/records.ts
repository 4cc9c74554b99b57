// What an agent writes down before and after it acts, and what it knows from that. Types only.
import type { HostIntent, Outcome, Request, Runtime } from '@leafward/shared/gen/domain.js';
import type { Duties, DutyRecord } from '../duty/memory.js';

/** A storage that lost its leadership by force; nothing starts from it (I2). */
export interface StorageRetirement {
  readonly member: string;
  readonly service: string;
  /** Absolute path; the key of the retirement, whatever member asks for it later. */
  readonly storage: string;
  readonly term: number;
  readonly reason: string;
  readonly at: number;
  /** What ran it: asked who runs on the storage when no order names its member any more. */
  readonly runtime?: Runtime | undefined;
  /** Where the new leader is found, for the engine's own way of making a start by hand harmless. */
  readonly newLeaderUrl?: string | undefined;
}

export type JournalRecord =
  | { readonly kind: 'intent-accepted'; readonly at: number; readonly intent: HostIntent }
  | {
      readonly kind: 'request-started';
      readonly at: number;
      readonly request: Request;
    }
  /** `outcome.state` is final: never `running`. Without a start before it: refused. */
  | { readonly kind: 'request-settled'; readonly outcome: Outcome }
  /** The controller has stored these outcomes. */
  | { readonly kind: 'outcomes-acknowledged'; readonly ids: readonly string[] }
  /** Written before the engine is called: from then on this member may lead in that term. */
  | { readonly kind: 'promotion-begun'; readonly member: string; readonly term: number }
  /** It did lead in the term in which it was promoted here: what its storage says from then on is its own. */
  | { readonly kind: 'seen-leading'; readonly member: string; readonly term: number }
  | { readonly kind: 'retired'; readonly retirement: StorageRetirement }
  /** It was seen stopped after its retirement; seen running after this counts as a start (I2). */
  | { readonly kind: 'retirement-proven'; readonly storage: string }
  | { readonly kind: 'retired-start-seen'; readonly storage: string; readonly member: string }
  /** What lies in this storage is about to be moved to `aside`, which nothing starts from, or to be wiped. */
  | {
      readonly kind: 'filling-begun';
      readonly member: string;
      readonly storage: string;
      readonly id: string;
      /** By an order that reseeds it: the one thing that ends a retirement (I2). */
      readonly reseed: boolean;
      readonly term: number;
      readonly aside?: StorageRetirement | undefined;
    }
  /** Nothing of it lies there any more, so that no retirement does. `kept`: it is in `aside`. */
  | {
      readonly kind: 'storage-emptied';
      readonly storage: string;
      readonly id: string;
      readonly kept: boolean;
    }
  /** It holds a whole copy, or is left to the service to fill: a start is safe again. */
  | { readonly kind: 'storage-filled'; readonly storage: string; readonly id: string }
  | {
      readonly kind: 'step-started';
      readonly at: number;
      readonly member: string;
      readonly step: string;
      readonly storage: string;
      readonly cause: string;
    }
  | { readonly kind: 'step-ended'; readonly member: string; readonly error?: string | undefined }
  | DutyRecord
  /** First record of a compacted journal: everything before it. */
  | { readonly kind: 'snapshot'; readonly state: JournalState };

export interface RequestRecord {
  readonly request?: Request | undefined;
  readonly startedAt: number;
  readonly outcome?: Outcome | undefined;
  readonly acknowledged: boolean;
}

export interface StartCount {
  readonly starts: number;
  readonly sinceRetired: number;
}

export interface StepInFlight {
  readonly step: string;
  readonly cause: string;
  readonly at: number;
}

/** The newest filling of a storage, once it was emptied for it. */
export interface Filling {
  readonly id: string;
  readonly member: string;
  readonly reseed: boolean;
  /** Where what lay there before is kept. */
  readonly aside?: string | undefined;
  /** Nothing starts while it is `emptied`. */
  readonly state: 'begun' | 'emptied' | 'filled';
  /** Id of the newest reseed that filled it to the end, this one or one before. */
  readonly reseeded?: string | undefined;
}

/** The fold of all records. */
export interface JournalState {
  readonly intent?: HostIntent | undefined;
  /** Newest term of each service that an intent told. */
  readonly terms: Readonly<Record<string, number>>;
  /** Newest term in which this agent began to promote a member. */
  readonly promotions: Readonly<Record<string, number>>;
  /** Newest of those terms in which the member was seen to lead. */
  readonly led?: Readonly<Record<string, number>> | undefined;
  /** By storage path. */
  readonly retirements: Readonly<Record<string, StorageRetirement & { readonly proven: boolean }>>;
  readonly starts: Readonly<Record<string, StartCount>>;
  /** Storage → its member: what this agent has started there, for as long as an order names that member. */
  readonly startedOn?: Readonly<Record<string, string>> | undefined;
  /** Members whose newest start or stop by this agent was a start, and one that did not fail. */
  readonly leftRunning?: Readonly<Record<string, boolean>> | undefined;
  /** By storage path. */
  readonly fillings?: Readonly<Record<string, Filling>> | undefined;
  /** By request id, oldest first: all unsettled ones and the newest settled ones. */
  readonly requests: Readonly<Record<string, RequestRecord>>;
  /** The step that each member was at. */
  readonly steps: Readonly<Record<string, StepInFlight>>;
  /** Times of the schedules of backups and drills: what became of them. */
  readonly duties?: Duties | undefined;
}

export const emptyState: JournalState = {
  terms: {},
  promotions: {},
  retirements: {},
  starts: {},
  startedOn: {},
  leftRunning: {},
  requests: {},
  steps: {},
};
