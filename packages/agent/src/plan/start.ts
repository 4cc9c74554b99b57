// What must be true before a start, and the steps of one: marker, role, start. Each rule is a named wait or
// refusal; none is asked twice. Pure.
import { leaseOf } from '@leafward/shared/lease.js';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { defaultsOf } from '@leafward/shared/manifest/kinds.js';
import { withoutUser } from '@leafward/shared/url-user.js';
import type { WantedRole } from '../engines/engine.js';
import type { Marker } from '../marker.js';
import type { Draft } from './draft.js';
import type { ObservedMember } from './observed.js';

/** True when a start must not be; the reasons are then in the draft. */
export function forbidsStart(draft: Draft): boolean {
  return (
    waitsForUsers(draft) ||
    refusesStorage(draft) ||
    refusesOlderTerm(draft) ||
    refusesNoUpstream(draft) ||
    waitsForFiles(draft) ||
    waitsForStoredRole(draft) ||
    waitsForPermit(draft)
  );
}

/** Who else writes into the storage must be known before anything starts on it (I9). */
export function waitsForUsers(draft: Draft): boolean {
  const { storageUsersError, intent } = draft.subject;
  if (storageUsersError === undefined) return false;
  draft.wait({
    code: 'runtime-unavailable',
    message: `whether anything else uses ${intent.spec.storage} is not known: ${storageUsersError}`,
    unblock: `make the ${intent.spec.runtime} runtime answer on this host`,
  });
  return true;
}

/** The image is fetched while the old one runs on; nothing is stopped before it is there (I7). */
export function waitsForImage(draft: Draft): boolean {
  const { imagePresent, intent } = draft.subject;
  if (imagePresent) return false;
  const { image } = intent.spec;
  draft.wait({
    code: 'image-missing',
    message: `the image ${image.reference} (${image.digest}) is not on this host yet`,
    unblock: 'it is being fetched; make its source reachable if that fails',
  });
  draft.step({ kind: 'pull', image, cause: 'not on this host' });
  return true;
}

/** Nothing is made with an empty value: the old one runs on until all of them are here. */
export function waitsForSecrets(draft: Draft): boolean {
  const { missingSecrets = [] } = draft.subject;
  if (missingSecrets.length === 0) return false;
  const names = missingSecrets.map(({ name, version }) => `${name} (version ${version})`);
  draft.wait({
    code: 'secret-missing',
    message: `its environment needs secrets that are not on this host: ${names.join(', ')}`,
    unblock: 'connect this host to its controller; if it is, set the secret anew and deploy',
  });
  return true;
}

/** A runtime would make an empty directory of a file that is not there, and the service would begin with that. */
export function waitsForFiles(draft: Draft): boolean {
  const { missingFiles = [] } = draft.subject;
  if (missingFiles.length === 0) return false;
  draft.wait({
    code: 'file-missing',
    message: `what it mounts is not on this host: ${missingFiles.join(', ')}`,
    unblock: 'put it there; it is started by itself then',
    evidence: missingFiles.map((path) => ({ name: 'missing', value: path })),
  });
  return true;
}

/** A leader of a mirrored service starts only with the controller's word for its term (I1). */
export function waitsForPermit(draft: Draft): boolean {
  const { intent, permit } = draft.subject;
  const isOver = permit.leftMs <= 0 || isIsolated(draft.subject);
  if (!needsPermit(draft.subject) || !isOver) return false;
  draft.wait({
    code: 'no-permit',
    message:
      `it leads a mirrored service; it is started when a controller confirms that term ` +
      `${intent.term} is still the current one`,
    unblock: 'connect this host to its controller',
    evidence: [
      { name: 'term', value: String(intent.term) },
      { name: 'last confirmed', value: `${Math.round(permit.ageMs / 1000)} s ago or never` },
    ],
  });
  return true;
}

/** A leader that fences itself and has heard no controller for its lease, whatever a permit says. */
export function isIsolated({ intent, permit }: Pick<ObservedMember, 'intent' | 'permit'>): boolean {
  if (intent.role !== 'leader' || !intent.mirrored) return false;
  return intent.isolation.onIsolation === 'stop' && permit.ageMs >= intent.isolation.leaseMs;
}

/** How long one that stops itself may take to; what an operator orders to stop has its spec's grace. */
export function isolationGraceMs({ isolation, spec }: ObservedMember['intent']): number {
  return leaseOf(isolation, spec.stopGraceMs).graceMs;
}

/** One that stops itself when it hears no controller needs one too, or it would start and stop for ever. */
export function needsPermit({ intent }: ObservedMember): boolean {
  if (intent.role !== 'leader' || !intent.mirrored) return false;
  return intent.boot === 'wait' || intent.isolation.onIsolation === 'stop';
}

/**
 * What the storage would do against what is wanted. A storage that mirrors is never made a leader by
 * writing into it: promotion is the engine's act. Unless this agent promoted it in this very term and it has not led
 * since: one that has led and mirrors now has handed leadership over, and somebody newer led after it (I1).
 */
export function waitsForStoredRole(draft: Draft): boolean {
  const { intent, storedRole, storedRoleError } = draft.subject;
  if (!hasStoredRole(intent)) return false;
  if (storedRole === undefined) {
    draft.wait({
      code: 'stored-role-unknown',
      message: `what a start from ${intent.spec.storage} would do cannot be read: ${storedRoleError ?? 'no answer'}`,
      unblock: 'make the storage readable for the agent',
    });
    return true;
  }
  const stored = storedRole.upstreamUrl;
  if (startsAsMirror(draft)) {
    // No reason against a start: it leads nobody, and only a running member can be promoted.
    draft.wait({
      code: 'stored-role-differs',
      message: `it shall lead in term ${intent.term}, but its storage says that it mirrors, and so it runs`,
      unblock: 'it leads once the promotion of this term has been carried out',
    });
    return false;
  }
  return intent.role === 'mirror' && typeof stored !== 'string' && waitsForPromotion(draft);
}

/** It leads in a newer term than its order knows: nothing that the order says of a mirror is for it. */
export function waitsForPromotion(draft: Draft): boolean {
  const { intent } = draft.subject;
  const promotedAt = draft.observed.journal.promotions[intent.member] ?? -1;
  if (promotedAt <= intent.term) return false;
  draft.wait({
    code: 'promoted',
    message: `it was promoted in term ${promotedAt}, which its intent of term ${intent.term} does not know yet`,
    unblock: 'the controller commits the new term',
  });
  return true;
}

/** Members of a stack hold no copies, and so nothing in their storages says whom they follow. */
const hasStoredRole = ({ role, spec, exec }: MemberIntent): boolean =>
  role !== 'worker' && (exec !== undefined || defaultsOf(spec.kind).shape === 'tree');

/** It shall lead and mirrors by its storage, and that is not what a promotion in this term has left half done. */
function startsAsMirror({ subject, observed }: Draft): boolean {
  const { intent, storedRole } = subject;
  const { promotions, led } = observed.journal;
  const isHalfPromoted =
    promotions[intent.member] === intent.term && led?.[intent.member] !== intent.term;
  return intent.role === 'leader' && typeof storedRole?.upstreamUrl === 'string' && !isHalfPromoted;
}

/** The marker, the role where it differs, and the start. Everything that could forbid it was asked before. */
export function planStart(draft: Draft, cause: string): void {
  const { subject } = draft;
  planMarkerTerm(draft);
  const wanted = startsAsMirror(draft) ? undefined : roleToWrite(subject);
  if (wanted !== undefined)
    draft.step({ kind: 'write-role', wanted, cause: `it shall be a ${wanted.role}` });
  draft.step({
    kind: 'start',
    storage: subject.storagePath,
    permitTerm: needsPermit(subject) ? subject.intent.term : undefined,
    cause,
  });
}

/** The one that is there without what is over, or a new one; in the newest of their terms. */
export function markerOf({ subject, observed }: Draft): Marker {
  const { intent, marker, engine } = subject;
  const found = marker.kind === 'found' ? marker.marker : undefined;
  const { service, member, term } = intent;
  // One that answers has ended it (endsProvisioning), in this very plan.
  const provisioning = engine.answered ? undefined : found?.provisioning;
  return {
    format: 1,
    fleet: observed.fleet,
    service,
    member,
    term: Math.max(term, found?.term ?? 0),
    ...(provisioning === undefined ? {} : { provisioning }),
    ...(found?.reseeded === undefined ? {} : { reseeded: found.reseeded }),
  };
}

/** The storage knows the newest term that it has lived in. */
export function planMarkerTerm(draft: Draft): void {
  const { marker, intent } = draft.subject;
  if (marker.kind === 'unreadable') return;
  if (marker.kind === 'found' && marker.marker.term >= intent.term) return;
  draft.step({
    kind: 'write-marker',
    storage: intent.spec.storage,
    marker: markerOf(draft),
    cause: `term ${intent.term}`,
  });
}

function roleToWrite(subject: ObservedMember): WantedRole | undefined {
  const { intent, storedRole } = subject;
  const stored = storedRole?.upstreamUrl;
  if (!hasStoredRole(intent)) return undefined;
  if (intent.role === 'leader') return stored === null ? undefined : { role: 'leader' };
  if (typeof stored === 'string' && sameUpstream(stored, subject)) return undefined;
  return { role: 'mirror', upstreamUrl: intent.upstream?.url };
}

/** The wanted upstream, or the alias that always means the leader; who logs in there does not matter. */
export function sameUpstream(stored: string, { intent }: ObservedMember): boolean {
  const alias = intent.spec.engineOptions['leaderAlias'];
  const network = intent.provision?.network;
  const plain = (url: string): string => withNetwork(withoutUser(url), network);
  return [intent.upstream?.url, alias].some(
    (url) => url !== undefined && plain(url) === plain(stored),
  );
}

/** `aha://cortex...` is of the cell's own network; so it is written from 2.178 on. */
function withNetwork(url: string, network: string | undefined): string {
  return network === undefined ? url : url.replace(/\.\.\.$/, `.${network}`);
}

/** `fillsIt`: what is lost does not matter, since an order fills it anew. */
export function refusesStorage(draft: Draft, fillsIt = false): boolean {
  const { marker, intent } = draft.subject;
  if (marker.kind === 'unreadable') {
    draft.refuse({
      code: 'marker-unreadable',
      message: `whether ${intent.spec.storage} is retired cannot be read: ${marker.error}`,
      unblock: 'repair or, when you are sure that it is not retired, remove the marker',
    });
    return true;
  }
  if (marker.kind === 'none' && !fillsIt && wasStartedHere(draft)) {
    draft.refuse({
      code: 'storage-lost',
      message:
        `${intent.member} has lived on ${intent.spec.storage}, and nothing there says so any more: ` +
        'its volume is not mounted, or somebody emptied it',
      unblock:
        'mount the volume or restore its data; a member with an empty storage needs a new name',
    });
    return true;
  }
  if (marker.kind === 'found' && marker.marker.service !== intent.service) {
    draft.refuse({
      code: 'foreign-storage',
      message: `${intent.spec.storage} belongs to the service ${marker.marker.service}`,
      unblock: 'give the member a storage of its own',
    });
    return true;
  }
  return false;
}

/** An empty leader would be all that is left of the data for whoever follows it. */
function wasStartedHere({ subject, observed }: Draft): boolean {
  const { intent, storagePath, storedRole } = subject;
  const { startedOn = {} } = observed.journal;
  // What was taken over ran there before, and was started by others.
  if (intent.adoption !== undefined && storedRole?.upstreamUrl === undefined) return true;
  return [storagePath, intent.spec.storage].some((path) => startedOn[path] === intent.member);
}

/** The storage has lived in a newer term than the one that is wanted: the order is old (I11). */
export function refusesOlderTerm(draft: Draft): boolean {
  const { marker, intent } = draft.subject;
  if (marker.kind !== 'found' || marker.marker.term <= intent.term) return false;
  draft.refuse({
    code: 'older-term',
    message: `its storage has been in term ${marker.marker.term}, the order is of term ${intent.term}`,
    unblock: 'find out why the controller has forgotten a term',
  });
  return true;
}

export function refusesNoUpstream(draft: Draft): boolean {
  const { intent } = draft.subject;
  if (intent.role !== 'mirror' || intent.upstream !== undefined) return false;
  draft.refuse({
    code: 'no-upstream',
    message: 'it shall mirror, but the order does not say whom',
    unblock: 'find out why the controller sent an incomplete order',
  });
  return true;
}
