// What an agent may do to one member, as data: one variant for one call of a driver, each with its cause.
import type { Image } from '@leafward/shared/gen/domain.js';
import type { WantedRole } from '../engines/engine.js';
import type { Emptying } from '../empty-storage.js';
import type { Marker } from '../marker.js';
import type { ContainerSpec } from '../runtimes/runtime.js';
import type { StorageRetirement } from '../journal/records.js';

interface StepCommon {
  readonly member: string;
  /** Why, in a few words: for the log, the journal and the status. */
  readonly cause: string;
}

export type Step = StepCommon &
  (
    | { readonly kind: 'pull'; readonly image: Image }
    | { readonly kind: 'set-restart-policy'; readonly container: string }
    | { readonly kind: 'stop'; readonly graceMs: number }
    | { readonly kind: 'remove' }
    | { readonly kind: 'write-marker'; readonly storage: string; readonly marker: Marker }
    | { readonly kind: 'write-role'; readonly wanted: WantedRole }
    /** What lies in the storage is moved beside it, or wiped. */
    | {
        readonly kind: 'set-aside';
        readonly emptying: Emptying;
        readonly backup?: string | undefined;
      }
    /** What is half filled is wiped and filled anew: may take hours. */
    | {
        readonly kind: 'seed';
        readonly upstreamUrl: string;
        /** Name of the backup that it is filled from; undefined: from its upstream. */
        readonly backup?: string | undefined;
        /** Where what was set aside for it lies. */
        readonly emptiedFor?: string | undefined;
      }
    | { readonly kind: 'journal-filled'; readonly storage: string; readonly id: string }
    /** A running mirror finds another upstream without a restart. */
    | { readonly kind: 'repoint'; readonly upstreamUrl: string }
    | { readonly kind: 'create'; readonly container: ContainerSpec }
    | {
        readonly kind: 'start';
        readonly storage: string;
        /** The term of the permit that must still be in hand when it is started; undefined: needs none. */
        readonly permitTerm?: number | undefined;
      }
    /** What an interrupted provisioning left is wiped; nobody's data ever lay there. */
    | { readonly kind: 'begin-anew'; readonly marker: Marker }
    /** It has answered: its used URL is taken away. */
    | { readonly kind: 'end-provisioning'; readonly marker: Marker }
    | { readonly kind: 'journal-retirement'; readonly retirement: StorageRetirement }
    | { readonly kind: 'journal-retired-start'; readonly storage: string }
    | { readonly kind: 'journal-retired-stop'; readonly storage: string }
    | { readonly kind: 'write-retired-role'; readonly newLeaderUrl?: string | undefined }
  );

/** One line for a log or a golden test. */
export function renderStep(step: Step): string {
  return `${step.kind} ${step.member}: ${step.cause}`;
}
