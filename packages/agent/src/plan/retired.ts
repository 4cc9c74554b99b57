// A storage that lost its leadership by force. Nothing is ever started or created on it here, whatever is
// wanted and whoever asks (I2); all that is done makes a start less likely. Pure.
import type { JournalState, StorageRetirement } from '../journal/records.js';
import type { Draft } from './draft.js';
import type { ObservedMember } from './observed.js';
import { mayRun, planRestartPolicy, planStop, waitsForRuntime } from './stopped.js';

/** By intent, by the storage's own marker or by this agent's memory: each alone is enough. */
export function isRetiredHere(member: ObservedMember, journal: JournalState): boolean {
  return (
    member.intent.run === 'retired' ||
    (member.marker.kind === 'found' && member.marker.marker.retired !== undefined) ||
    retirementOf(member, journal) !== undefined
  );
}

export function retirementOf(
  member: ObservedMember,
  journal: JournalState,
): JournalState['retirements'][string] | undefined {
  return journal.retirements[member.storagePath] ?? journal.retirements[member.intent.spec.storage];
}

/**
 * For one that somebody started from a storage that was proven stopped: nothing that it writes is wanted, and a
 * SIGTERM that comes before a new container's program is lost, so that the spec's whole grace would pass first.
 */
const RESTARTED_GRACE_MS = 5000;

export function planRetired(draft: Draft): void {
  const { subject, observed } = draft;
  const known = retirementOf(subject, observed.journal);
  const retirement = known ?? retirementFrom(draft);
  refuseRetired(draft, retirement);
  planRestartPolicy(draft);
  const graceMs = subject.intent.spec.stopGraceMs;
  const maxGraceMs = known?.proven === true ? RESTARTED_GRACE_MS : graceMs;
  planStop(draft, `retired at term ${retirement.term}: it must not run`, maxGraceMs);
  // Stopping comes before any write: a leader whose disk is dead must be stopped all the same.
  if (known?.proven === true && mayRun(subject.container.state))
    draft.step({
      kind: 'journal-retired-start',
      storage: known.storage,
      cause: 'it runs although it was stopped and retired',
    });
  if (known === undefined)
    draft.step({ kind: 'journal-retirement', retirement, cause: retirement.reason });
  planMarker(draft, retirement);
  if (waitsForRuntime(draft)) return;
  if (known?.proven === true && !mayRun(subject.container.state)) return;
  if (typeof subject.storedRole?.upstreamUrl !== 'string')
    draft.step({
      kind: 'write-retired-role',
      newLeaderUrl: retirement.newLeaderUrl,
      cause: 'a start by hand must not lead',
    });
  draft.step({
    kind: 'journal-retired-stop',
    storage: retirement.storage,
    cause: 'it is stopped: from here on a run of it is counted',
  });
}

function planMarker(draft: Draft, retirement: StorageRetirement): void {
  const { marker, intent } = draft.subject;
  if (marker.kind === 'found' && marker.marker.retired !== undefined) return;
  draft.step({
    kind: 'write-marker',
    storage: intent.spec.storage,
    marker: {
      format: 1,
      fleet: draft.observed.fleet,
      service: retirement.service,
      member: retirement.member,
      term: marker.kind === 'found' ? marker.marker.term : intent.term,
      // A reseed that was done before must not be taken for a new one.
      reseeded: marker.kind === 'found' ? marker.marker.reseeded : undefined,
      retired: { term: retirement.term, at: retirement.at, reason: retirement.reason },
    },
    cause: 'the storage itself must say that it is retired',
  });
}

/** The facts of a retirement that this agent has not written down yet: from the intent or the marker. */
function retirementFrom(draft: Draft): StorageRetirement {
  const { intent, marker, storagePath } = draft.subject;
  const said = marker.kind === 'found' ? marker.marker.retired : undefined;
  return {
    member: marker.kind === 'found' ? marker.marker.member : intent.member,
    service: marker.kind === 'found' ? marker.marker.service : intent.service,
    storage: storagePath,
    term: said?.term ?? intent.term,
    reason: said?.reason ?? `the controller retired it at term ${intent.term}`,
    at: said?.at ?? draft.observed.now,
    runtime: intent.spec.runtime,
    newLeaderUrl: intent.run === 'retired' ? intent.upstream?.url : undefined,
  };
}

function refuseRetired(draft: Draft, retirement: StorageRetirement): void {
  draft.refuse({
    code: 'retired',
    message:
      `${retirement.storage} was retired at term ${retirement.term} (${retirement.reason}); ` +
      'nothing starts from it',
    unblock:
      `reseed it as a mirror: leafward plan reseed ${retirement.service} ${retirement.member}; its own ` +
      'writes are kept beside it, unless you say --wipe',
    evidence: [
      {
        name: 'retired at term',
        value: String(retirement.term),
        seenAt: retirement.at,
      },
      { name: 'storage', value: retirement.storage },
    ],
  });
}
