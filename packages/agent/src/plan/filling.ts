// A storage that has to be filled before anything starts from it: a new mirror's, one whose filling was cut short, one
// that an order reseeds. The steps are the same from wherever a crash left off. Pure. Must never empty what the order
// does not name: a leader's, another member's, another term's.
import type { MemberIntent, Reseed } from '@leafward/shared/gen/domain.js';
import type { Filling, JournalState } from '../journal/records.js';
import type { Marker } from '../marker.js';
import type { Draft } from './draft.js';
import type { ObservedMember } from './observed.js';
import { retirementOf } from './retired.js';
import {
  markerOf,
  refusesNoUpstream,
  refusesOlderTerm,
  refusesStorage,
  waitsForFiles,
  waitsForImage,
  waitsForPromotion,
  waitsForSecrets,
  waitsForUsers,
} from './start.js';
import { mayRun, planStop } from './stopped.js';

export interface FillingNeed {
  readonly cause: string;
  /** What lies there is taken away first. */
  readonly emptying?: { readonly id: string; readonly wipe: boolean } | undefined;
  readonly reseed?: Reseed | undefined;
}

/** Undefined: nothing of it has to be filled. */
export function fillingOf(draft: Draft): FillingNeed | undefined {
  const { subject, observed } = draft;
  const reseed = pendingReseed(subject, observed.journal);
  if (reseed !== undefined) {
    if (subject.promoting) return undefined;
    const isEmptied = isEmptiedFor(reseed, draft);
    const emptying = isEmptied ? undefined : reseed;
    return { cause: `reseed ${reseed.id}`, emptying, reseed };
  }
  const marker = markerIn(subject);
  if (marker?.seeding !== undefined) {
    const id = marker.seeding.id ?? `cut short in term ${marker.term}`;
    const emptying = subject.abilities.seeds ? undefined : { id, wipe: true };
    return { cause: 'its last filling was cut short', emptying };
  }
  if (marker === undefined && fillingIn(draft)?.state === 'emptied')
    return { cause: 'it was emptied and not filled' };
  return isNewMirror(subject) ? { cause: 'it is a new mirror' } : undefined;
}

/**
 * The one thing that lifts a retirement (I2): an order to reseed that was not carried out yet, for a mirror that shall
 * run, in a term that is not older than the retirement nor than any that this agent has heard of.
 */
export function liftsRetirement(subject: ObservedMember, journal: JournalState): boolean {
  const { intent } = subject;
  if (pendingReseed(subject, journal) === undefined) return false;
  const terms = [
    retirementOf(subject, journal)?.term,
    markerIn(subject)?.retired?.term,
    journal.terms[intent.service],
  ];
  return terms.every((term) => term === undefined || term <= intent.term);
}

/** Each id once, by the storage's own word or by this agent's memory: each alone is enough. */
function pendingReseed(subject: ObservedMember, journal: JournalState): Reseed | undefined {
  const { run, role, reseed } = subject.intent;
  if (reseed === undefined || run !== 'running' || role !== 'mirror') return undefined;
  const marker = markerIn(subject);
  if (marker?.reseeded === reseed.id && marker.seeding === undefined) return undefined;
  const wasFilled = journal.fillings?.[subject.storagePath]?.reseeded === reseed.id;
  return wasFilled && marker?.seeding === undefined ? undefined : reseed;
}

const markerIn = ({ marker }: ObservedMember) =>
  marker.kind === 'found' ? marker.marker : undefined;

function fillingIn({ subject, observed }: Draft): Filling | undefined {
  return observed.journal.fillings?.[subject.storagePath];
}

/** What was there is gone for this very reseed, and what is there now is wiped before the next try. */
function isEmptiedFor(reseed: Reseed, draft: Draft): boolean {
  const { subject, observed } = draft;
  const marker = markerIn(subject);
  const filling = fillingIn(draft);
  const isRetired = marker?.retired ?? retirementOf(subject, observed.journal);
  if (isRetired !== undefined) return false;
  const isMarked = marker?.seeding?.id === reseed.id;
  if (filling === undefined) return isMarked && fillsIt(draft, reseed);
  const isOver = filling.id === reseed.id && filling.state === 'emptied';
  return isOver && (isMarked || (marker === undefined && subject.storageEmpty !== false));
}

/** By its agent, before its first start; else the service does that itself. */
const fillsIt = ({ subject }: Draft, reseed: Reseed | undefined): boolean =>
  subject.abilities.seeds || reseed?.backup !== undefined;

/** It would start as a leader of nothing, or not at all. */
function isNewMirror(subject: ObservedMember): boolean {
  const { intent, abilities, storageEmpty, container, promoting } = subject;
  if (intent.role !== 'mirror' || !abilities.seeds || promoting) return false;
  return storageEmpty === true && !mayRun(container.state);
}

/** An agent that died had filled it to the end and could not write that down: a start is safe again. */
export function planFilledNote(draft: Draft): void {
  const filling = fillingIn(draft);
  const marker = markerIn(draft.subject);
  if (filling?.state !== 'emptied' || marker === undefined) return;
  if ((marker.seeding ?? marker.retired) !== undefined) return;
  const { storagePath: storage } = draft.subject;
  draft.step({ kind: 'journal-filled', storage, id: filling.id, cause: 'its marker says so' });
}

/** True: steps are planned. False: the reasons against them are in the draft, and it does not run. */
export function planFilling(draft: Draft, need: FillingNeed): boolean {
  if (forbidsFilling(draft, need)) {
    // Half of something must not run, whoever started it.
    if (isHalf(draft)) planStop(draft, 'its storage is not filled');
    return false;
  }
  const { subject } = draft;
  const { intent, storagePath } = subject;
  const { upstream, spec } = intent;
  const { cause, emptying, reseed } = need;
  const backup = reseed?.backup;
  const from = backup === undefined ? (upstream?.member ?? '') : `the backup ${backup}`;
  const fills = fillsIt(draft, reseed);
  planStop(draft, cause);
  if (emptying !== undefined)
    draft.step({
      kind: 'set-aside',
      emptying: {
        id: emptying.id,
        wipe: emptying.wipe,
        reseed: reseed !== undefined,
        term: intent.term,
        from,
        ...(backup === undefined ? {} : { needBytes: subject.seedBackup?.sizeBytes }),
      },
      ...(backup === undefined ? {} : { backup }),
      cause,
    });
  // Whatever its first start came to is over: what it is filled with must not be wiped for it.
  const { provisioning: _, ...known } = markerOf(draft);
  const marker = { ...known, ...(reseed === undefined ? {} : { reseeded: reseed.id }) };
  if (fills && upstream !== undefined) {
    planSeedingMarker(draft, { ...marker, seeding: { from, ...seedingId(draft, need) } }, emptying);
    const source = backup === undefined ? {} : { backup, emptiedFor: reseed?.id };
    draft.step({ kind: 'seed', upstreamUrl: upstream.url, ...source, cause });
  }
  draft.step({
    kind: 'write-marker',
    storage: spec.storage,
    marker,
    cause: fills ? `it is a copy of ${from}` : `it fills itself from ${from}`,
  });
  const id = emptying?.id ?? (fillingIn(draft)?.state === 'emptied' && fillingIn(draft)?.id);
  if (typeof id === 'string')
    draft.step({ kind: 'journal-filled', storage: storagePath, id, cause });
  draft.wait({
    code: 'seeding',
    message: `its storage is filled from ${from} before it starts (${cause})`,
    unblock: 'wait for it; leafward why tells how far it is',
  });
  return true;
}

/** Not again for each try of a seed that fails: then it would never be left alone for a while. */
function planSeedingMarker(draft: Draft, marker: Marker, emptying: FillingNeed['emptying']): void {
  const known = markerIn(draft.subject)?.seeding;
  const { seeding } = marker;
  const isSaid = known?.from === seeding?.from && known?.id === seeding?.id && known !== undefined;
  if (isSaid && emptying === undefined) return;
  draft.step({
    kind: 'write-marker',
    storage: draft.subject.intent.spec.storage,
    marker,
    cause: `nothing starts from it until it is a whole copy of ${seeding?.from ?? 'its upstream'}`,
  });
}

function seedingId(draft: Draft, { reseed }: FillingNeed): { readonly id?: string } {
  const id = reseed?.id ?? markerIn(draft.subject)?.seeding?.id;
  return id === undefined ? {} : { id };
}

function isHalf(draft: Draft): boolean {
  return markerIn(draft.subject)?.seeding !== undefined || fillingIn(draft)?.state === 'emptied';
}

function forbidsFilling(draft: Draft, need: FillingNeed): boolean {
  return (
    refusesToFill(draft) ||
    waitsForUsers(draft) ||
    refusesStorage(draft, need.reseed !== undefined) ||
    refusesOtherMember(draft) ||
    refusesOlderTerm(draft) ||
    refusesNoUpstream(draft) ||
    waitsForPromotion(draft) ||
    waitsForBackup(draft, need) ||
    refusesSetAside(draft, need) ||
    waitsForImage(draft) ||
    waitsForSecrets(draft) ||
    waitsForFiles(draft)
  );
}

/** What a leader lost in the middle of a restore comes from a backup again, never from nothing. */
function refusesToFill(draft: Draft): boolean {
  const { intent, marker } = draft.subject;
  if (intent.role === 'mirror') return false;
  const from = marker.kind === 'found' ? marker.marker.seeding?.from : undefined;
  draft.refuse({
    code: 'half-filled',
    message:
      `${intent.spec.storage} was being filled${from === undefined ? '' : ` from ${from}`} and is not ` +
      `whole: it cannot be a ${intent.role}'s`,
    unblock: 'restore a backup into it, or promote a mirror that is whole',
    evidence: [{ name: 'storage', value: intent.spec.storage }],
  });
  return true;
}

/** Filling takes away what is there. */
function refusesOtherMember(draft: Draft): boolean {
  const { intent } = draft.subject;
  const marker = markerIn(draft.subject);
  if (marker === undefined || marker.member === intent.member) return false;
  draft.refuse({
    code: 'foreign-storage',
    message: `${intent.spec.storage} belongs to ${marker.member}, which is not emptied for ${intent.member}`,
    unblock: 'give the member a storage of its own',
  });
  return true;
}

/** Nothing is stopped or emptied before it is here. What an earlier agent moved aside may hold it, and comes back first. */
function waitsForBackup(draft: Draft, { reseed }: FillingNeed): boolean {
  const backup = reseed?.backup;
  if (backup === undefined || draft.subject.seedBackup !== undefined) return false;
  const filling = fillingIn(draft);
  if (filling?.id === reseed?.id && filling?.state === 'begun') return false;
  draft.wait({
    code: 'backup-missing',
    message: `the backup ${backup} that it is to be filled from does not lie on this host`,
    unblock: `send it here: leafward backup send ${backup} --to HOST; or plan the reseed without --from-backup`,
  });
  return true;
}

function refusesSetAside(draft: Draft, { emptying, reseed }: FillingNeed): boolean {
  const { storage, storageMounted, storageEmpty, intent } = draft.subject;
  const marker = markerIn(draft.subject);
  const holds = marker?.seeding === undefined && storageEmpty !== true;
  if (emptying === undefined || emptying.wipe || reseed === undefined || !holds) return false;
  if (storageMounted === true) {
    draft.refuse({
      code: 'mount-point',
      message:
        `${intent.spec.storage} is a mount point, which cannot be renamed; inside of it a copy would be ` +
        'taken for data of the service',
      unblock: 'plan the reseed with --wipe, after a copy to another volume if it is still wanted',
    });
    return true;
  }
  return refusesNoRoom(intent, storage, draft);
}

/** Before anything is touched (I7); measured anew, without the backups, right before it is moved. */
function refusesNoRoom(
  { spec }: MemberIntent,
  { dataBytes, freeBytes }: ObservedMember['storage'],
  draft: Draft,
): boolean {
  // Backups that lie in the storage stay where they are, and nobody has counted them apart.
  if (spec.backupDirectory === undefined || spec.backupDirectory.startsWith(`${spec.storage}/`))
    return false;
  if (dataBytes === undefined || freeBytes === undefined || freeBytes >= dataBytes) return false;
  draft.refuse({
    code: 'no-room',
    message:
      `${spec.storage} holds ${dataBytes} bytes that are kept, the new copy needs as many, and ` +
      `${freeBytes} are free`,
    unblock: 'free some space, or plan the reseed with --wipe',
    evidence: [
      { name: 'needed bytes', value: String(dataBytes) },
      { name: 'free bytes', value: String(freeBytes) },
    ],
  });
  return true;
}
