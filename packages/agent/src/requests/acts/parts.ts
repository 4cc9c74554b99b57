// What the acts on a member work with, and what each of them asks before it touches one. Decides nothing else.
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { MemberIntent, Request, Runtime as RuntimeName } from '@leafward/shared/gen/domain.js';
import type { Catalogue } from '../../backups/catalogue.js';
import type { Pins } from '../../backups/pins.js';
import type { Tuner } from '../../checks/check.js';
import type { Drills } from '../../drill/drills.js';
import type { Engine } from '../../engines/engine.js';
import type { Freezes } from '../../freeze/freezes.js';
import type { Journal } from '../../journal.js';
import { readMarker, realPathOf } from '../../marker.js';
import type { Offsite } from '../../offsite/offsite.js';
import type { Runtime } from '../../runtimes/runtime.js';
import type { OpenTransferLine } from '../../transfer/line.js';

export interface ActParts {
  readonly host: string;
  readonly fleet?: string | undefined;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly catalogue: Catalogue;
  /** Held by whoever reads a backup: what is held is not removed. */
  readonly pins: Pins;
  readonly offsite: Offsite;
  readonly drills: Drills;
  readonly tuner: Tuner;
  /** Undefined: nothing is frozen here. */
  readonly freezes?: Freezes | undefined;
  readonly runtime: (name: RuntimeName) => Runtime;
  readonly engineOf: (intent: MemberIntent) => Engine;
  /** True while a chain of steps works on the member. */
  readonly isBusy: (member: string) => boolean;
  /** A stream of its own for a backup on its way. Undefined: there is no controller to call. */
  readonly transferLine?: OpenTransferLine | undefined;
  /** From now on it is left out of everything that members print (I14). */
  readonly hide?: ((secret: string) => void) | undefined;
  /** Without the secrets of this host's members (I14). */
  readonly redact?: ((text: string) => string) | undefined;
  /** Runs the checks and has their findings ready for the next report. */
  readonly check: (signal: AbortSignal) => Promise<number>;
}

export type Kind<K extends Request['kind']> = Extract<Request, { kind: K }>;

/** One act that is under way. */
export interface Turn {
  readonly parts: ActParts;
  readonly onProgress: (text: string) => void;
  readonly signal: AbortSignal;
}

/** The order for the member of a request. @throws LeafwardError `refused` when this host has none. */
export function intentOf(request: Request, { journal }: ActParts): MemberIntent {
  const intent = journal.state.intent?.members.find((one) => one.member === request.member);
  if (intent === undefined)
    throw new LeafwardError('refused', `${request.kind}: ${request.member} is not of this host`);
  return intent;
}

/**
 * Nothing is done to a retired storage (I2), nor to one that is half filled, nor against the order.
 * @throws LeafwardError `refused` with the reason.
 */
export async function refuseUnfit(
  request: Request,
  options: { readonly run: MemberIntent['run'] },
  parts: ActParts,
): Promise<MemberIntent> {
  const intent = intentOf(request, parts);
  const { storage } = intent.spec;
  const refuse = (why: string): never => {
    throw new LeafwardError('refused', `${request.kind} ${intent.member}: ${why}`);
  };
  const reading = await readMarker(storage);
  // Not being able to read it is no proof that it is not retired.
  if (reading.kind === 'unreadable') return refuse(`${reading.error} (I2)`);
  const marker = reading.kind === 'found' ? reading.marker : undefined;
  const { retirements } = parts.journal.state;
  const isKnown = [storage, await realPathOf(storage)].some((path) => path in retirements);
  if (marker?.retired !== undefined || isKnown) return refuse('its storage is retired (I2)');
  // Only what fills it makes a whole of it; anything else would take half of the data for all of it.
  const fills = request.kind === 'restore-backup' || request.kind === 'migrate-storage';
  const isHalf = marker?.seeding !== undefined && !fills;
  if (isHalf) return refuse('its storage is half filled');
  if (intent.run !== options.run) return refuse(`it shall be ${intent.run}`);
  return intent;
}
