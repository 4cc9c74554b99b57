// Hosts made by hand for the agent's planner: one member each, and what every step would do to it.
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { specDigestOf } from '@leafward/shared/spec-digest.js';
import { fold } from '@leafward/agent/journal/fold.js';
import { emptyState, type JournalState } from '@leafward/agent/journal/records.js';
import type { Observed, ObservedMember, Step } from '@leafward/agent/plan.js';

export const UPSTREAM = 'tcp://10.0.0.1:27492';
export const ALIAS = 'aha://cortex...';

export function intentOf(changes: Partial<MemberIntent> = {}): MemberIntent {
  return {
    member: '00.cortex',
    service: 'cortex',
    spec: {
      kind: 'synapse',
      runtime: 'process',
      image: { reference: '/images/cell-2.113.0.cjs', digest: `sha256:${'a'.repeat(64)}` },
      command: [],
      environment: {},
      mounts: [],
      storage: '/srv/00.cortex',
      storageTarget: '/srv/00.cortex',
      networkMode: 'host',
      limits: {},
      ports: {},
      stopGraceMs: 1000,
      engineOptions: { leaderAlias: ALIAS },
    },
    run: 'running',
    role: 'leader',
    term: 3,
    mirrored: true,
    boot: 'wait',
    isolation: { onIsolation: 'keep', leaseMs: 5000 },
    ...changes,
  };
}

export const mirrorIntent = (changes: Partial<MemberIntent> = {}): MemberIntent =>
  intentOf({ role: 'mirror', upstream: { member: '01.cortex', url: UPSTREAM }, ...changes });

/** A healthy host where nothing runs yet; changes go over it. */
export function memberOf(
  intent: MemberIntent,
  changes: Partial<ObservedMember> = {},
): ObservedMember {
  return {
    intent,
    specDigest: specDigestOf(intent.spec),
    container: { state: 'absent' },
    engine: { answered: false },
    storage: {},
    storagePath: intent.spec.storage,
    marker: { kind: 'none' },
    storedRole: { upstreamUrl: undefined },
    abilities: { seeds: false, repoints: false, storesPosition: false },
    imagePresent: true,
    storageUsers: [],
    containerName: intent.member,
    permit: { leftMs: 0, ageMs: 0 },
    backoff: { cause: 'none', failures: 0, leftMs: 0 },
    lastLines: [],
    promoting: false,
    ...changes,
  };
}

/** It runs as it is wanted. */
export function runningOf(
  intent: MemberIntent,
  changes: Partial<ObservedMember> = {},
): ObservedMember {
  const upstreamUrl = intent.role === 'leader' ? null : (intent.upstream?.url ?? null);
  const { member, service, term } = intent;
  return memberOf(intent, {
    container: {
      state: 'running',
      specDigest: specDigestOf(intent.spec),
      restartPolicy: 'no',
      startedAt: 1,
    },
    engine: { answered: true, active: upstreamUrl === null },
    marker: { kind: 'found', marker: { format: 1, member, service, term } },
    storedRole: { upstreamUrl },
    ...changes,
  });
}

export function observedOf(member: ObservedMember, journal: Partial<JournalState> = {}): Observed {
  return {
    now: 1_000_000,
    fleet: 'acme',
    journal: { ...emptyState, ...journal },
    members: [member],
    waitingSince: {},
  };
}

/** The host after a step, as the drivers promise it. */
export function applyStep(observed: Observed, step: Step): Observed {
  const [member] = observed.members;
  if (member === undefined) return observed;
  const journal = journalAfter(observed.journal, member, step);
  return { ...observed, journal, members: [memberAfter(member, step)] };
}

function journalAfter(journal: JournalState, member: ObservedMember, step: Step): JournalState {
  const { storagePath: storage, intent } = member;
  const begun = fold(journal, {
    kind: 'step-started',
    at: 0,
    member: intent.member,
    step: step.kind,
    storage,
    cause: step.cause,
  });
  const ended = fold(begun, { kind: 'step-ended', member: intent.member });
  switch (step.kind) {
    case 'journal-retirement':
      return fold(ended, { kind: 'retired', retirement: step.retirement });
    case 'journal-retired-stop':
      return fold(ended, { kind: 'retirement-proven', storage: step.storage });
    case 'journal-retired-start':
      return fold(ended, {
        kind: 'retired-start-seen',
        storage: step.storage,
        member: intent.member,
      });
    default:
      return ended;
  }
}

function memberAfter(member: ObservedMember, step: Step): ObservedMember {
  const { container } = member;
  switch (step.kind) {
    case 'pull':
      return { ...member, imagePresent: true };
    case 'set-restart-policy':
      return { ...member, container: { ...container, restartPolicy: 'no' } };
    case 'stop':
      return {
        ...member,
        container: { ...container, state: 'exited' },
        engine: { answered: false },
      };
    case 'remove':
      return { ...member, container: { state: 'absent' } };
    case 'create':
      return {
        ...member,
        container: {
          state: 'created',
          specDigest: step.container.specDigest,
          restartPolicy: 'no',
        },
      };
    case 'start':
      return {
        ...member,
        container: { ...container, state: 'running', startedAt: 1 },
        engine: { answered: true, active: member.storedRole?.upstreamUrl === null },
      };
    case 'write-marker':
      return { ...member, marker: { kind: 'found', marker: step.marker } };
    case 'write-role':
      return {
        ...member,
        storedRole: {
          upstreamUrl: step.wanted.role === 'leader' ? null : (step.wanted.upstreamUrl ?? null),
        },
      };
    case 'write-retired-role':
      return { ...member, storedRole: { upstreamUrl: 'tcp://nobody' } };
    default:
      return member;
  }
}
