// A member that shall run: made, started, made anew when its spec differs, pointed at its upstream, and
// stopped when it must not lead. Branches here; what each step needs is in start.ts. Pure.
import type { Draft } from './draft.js';
import { fillingOf, planFilledNote, planFilling } from './filling.js';
import type { ObservedMember } from './observed.js';
import { endsProvisioning, forbidsByProvisioning } from './provisioning.js';
import {
  forbidsStart,
  isIsolated,
  isolationGraceMs,
  planMarkerTerm,
  planStart,
  refusesOlderTerm,
  sameUpstream,
  waitsForImage,
  waitsForPermit,
  waitsForSecrets,
  waitsForStoredRole,
} from './start.js';
import { planRestartPolicy, planStop, waitsForRuntime } from './stopped.js';

export function planRunning(draft: Draft): void {
  const { container } = draft.subject;
  if (waitsForRuntime(draft)) return;
  if (refusesSharedStorage(draft)) {
    // Who else is there changes nothing about who must not lead (I1).
    planRestartPolicy(draft);
    if (container.state === 'running' && !stopsIsolated(draft)) stopsActiveMirror(draft);
    return;
  }
  planRestartPolicy(draft);
  const need = fillingOf(draft);
  if (need !== undefined) return void planFilling(draft, need);
  planFilledNote(draft);
  if (forbidsByProvisioning(draft)) return;
  switch (container.state) {
    case 'absent':
      return waitsForFailover(draft) ? undefined : planCreation(draft, 'not there');
    case 'created':
    case 'exited':
      return differs(draft.subject)
        ? planCreation(draft, 'its spec has changed')
        : planExited(draft);
    case 'running':
      return planLiving(draft);
    default:
      draft.wait({
        code: `container-${container.state}`,
        message: `the container is ${container.state}, which is none of this agent's doing`,
        unblock: container.state === 'paused' ? 'unpause it' : 'let it come to rest, or stop it',
      });
  }
}

/** What an order to reseed does to a retired storage. False: something forbids it, and it stays retired (I2). */
export function planReseed(draft: Draft): boolean {
  const need = fillingOf(draft);
  if (need === undefined || draft.subject.container.state === 'unknown') return false;
  if (refusesSharedStorage(draft)) return false;
  planRestartPolicy(draft);
  return planFilling(draft, need);
}

/** I9: one storage has one writer. Nothing is made or started while there is another. */
function refusesSharedStorage(draft: Draft): boolean {
  const { storageUsers, intent, storagePath } = draft.subject;
  const rivals = draft.observed.members
    .filter((other) => other !== draft.subject && other.storagePath === storagePath)
    .filter((other) => other.intent.run === 'running')
    .map((other) => `${other.intent.member} (wanted)`);
  const users = [
    ...storageUsers.filter((user) => user.running).map((user) => user.name),
    ...rivals,
  ];
  if (users.length === 0) return false;
  draft.refuse({
    code: 'storage-in-use',
    message: `${intent.spec.storage} is in use by ${users.join(', ')}`,
    unblock:
      'stop what else writes into it, take it over as it runs (`container: NAME` in the manifest of a new member), or give the member a storage of its own',
    evidence: users.map((user) => ({ name: 'writes there', value: user })),
  });
  return true;
}

function differs(subject: ObservedMember): boolean {
  return subject.container.specDigest !== subject.specDigest;
}

/**
 * Makes it (anew) and starts it. The image and the permit must be in hand before the old one is stopped: a
 * wait here costs no downtime.
 */
function planCreation(draft: Draft, cause: string): void {
  const { subject } = draft;
  if (waitsForImage(draft) || waitsForSecrets(draft) || forbidsStart(draft)) return;
  planStop(draft, cause);
  if (subject.container.state !== 'absent') draft.step({ kind: 'remove', cause });
  draft.step({
    kind: 'create',
    container: {
      member: subject.intent.member,
      service: subject.intent.service,
      spec: subject.intent.spec,
      specDigest: subject.specDigest,
    },
    cause,
  });
  planStart(draft, cause);
}

function planExited(draft: Draft): void {
  if (waitsForFailover(draft) || waitsForBackoff(draft) || forbidsStart(draft)) return;
  const { container } = draft.subject;
  const code = container.exitCode === undefined ? '' : ` with code ${container.exitCode}`;
  planStart(draft, container.state === 'created' ? 'made, not started' : `it ended${code}`);
}

/** A leader that died is left to a failover that acts alone: were it started at once, nobody would take over. */
function waitsForFailover(draft: Draft): boolean {
  const { ended, lastLines } = draft.subject;
  if (ended === undefined || ended.heldMs <= 0) return false;
  const { asked, word } = ended.death;
  const what = asked
    ? `somebody told it to end (${word}), for which nobody fails over`
    : `it died (${word}), and a failover may begin first`;
  draft.wait({
    code: 'held-for-failover',
    message:
      `${what}; it is started again in ${Math.ceil(ended.heldMs / 1000)} s ` +
      'unless it is ordered otherwise',
    deadlineAt: draft.observed.now + ended.heldMs,
    unblock: 'nothing is needed: its controller fails over, or it is started again by itself',
    evidence: [
      { name: 'how it ended', value: word, seenAt: ended.death.seenAt },
      ...lastLines.map((line) => ({ name: 'log', value: line })),
    ],
  });
  return true;
}

function waitsForBackoff(draft: Draft): boolean {
  const { backoff, container, lastLines } = draft.subject;
  if (backoff.cause !== 'exit' || backoff.leftMs <= 0) return false;
  draft.wait({
    code: 'crash-loop',
    message:
      `it ended ${backoff.failures} times soon after its start; the next try is in ` +
      `${Math.ceil(backoff.leftMs / 1000)} s`,
    deadlineAt: draft.observed.now + backoff.leftMs,
    unblock: 'read its last log lines; it is tried again by itself',
    evidence: [
      {
        name: 'exit code',
        value: container.exitCode === undefined ? 'unknown' : String(container.exitCode),
      },
      ...(backoff.lastError === undefined ? [] : [{ name: 'error', value: backoff.lastError }]),
      ...lastLines.map((line) => ({ name: 'log', value: line })),
    ],
  });
  return true;
}

function planLiving(draft: Draft): void {
  if (stopsIsolated(draft) || stopsActiveMirror(draft)) return;
  endsProvisioning(draft);
  if (differs(draft.subject)) return planCreation(draft, 'its spec has changed');
  if (planRestart(draft)) return;
  if (!planRepoint(draft)) planMarkerTerm(draft);
}

/** Only the run that was meant: one that was started since is another. */
function planRestart(draft: Draft): boolean {
  const { restartOf, engine } = draft.subject;
  if (restartOf === undefined || engine.runId !== restartOf || forbidsStart(draft)) return false;
  planStop(draft, 'it is asked to start again');
  planStart(draft, 'it was asked to');
  return true;
}

/** A leader that has heard no controller for its lease stops by itself, so that others may lead (I1). */
function stopsIsolated(draft: Draft): boolean {
  const { intent, permit } = draft.subject;
  if (!isIsolated(draft.subject)) return false;
  planStop(
    draft,
    `no controller has confirmed term ${intent.term} for ${permit.ageMs} ms`,
    isolationGraceMs(intent),
  );
  waitsForPermit(draft);
  return true;
}

/** A member that leads although it shall mirror: a newer term has begun without it (I1). */
function stopsActiveMirror(draft: Draft): boolean {
  const { intent, engine, storedRole, promoting } = draft.subject;
  const promotedAt = draft.observed.journal.promotions[intent.member] ?? -1;
  if (intent.role !== 'mirror' || promoting || promotedAt >= intent.term) return false;
  if (!engine.answered || engine.active !== true) return false;
  if (engine.upstreamUrl !== undefined || typeof storedRole?.upstreamUrl === 'string') return false;
  planStop(draft, `it leads, but in term ${intent.term} another one does`);
  draft.wait({
    code: 'active-mirror',
    message: `it was active without an upstream, but in term ${intent.term} it is a mirror`,
    unblock: 'it is started again as a mirror; look for writes that it took meanwhile',
  });
  return true;
}

/** Its storage names another upstream than the wanted one: told while it runs, or stop, write, start. */
function planRepoint(draft: Draft): boolean {
  const { intent, storedRole, promoting, abilities, backoff } = draft.subject;
  const stored = storedRole?.upstreamUrl;
  if (intent.role !== 'mirror') {
    waitsForStoredRole(draft);
    return false;
  }
  const promotedAt = draft.observed.journal.promotions[intent.member] ?? -1;
  if (promoting || promotedAt > intent.term || typeof stored !== 'string') return false;
  if (intent.upstream === undefined || sameUpstream(stored, draft.subject)) return false;
  const cause = `its upstream is ${intent.upstream.member} now`;
  const isTried = backoff.failedStep === 'repoint' && backoff.failures >= REPOINTS_TRIED;
  if (abilities.repoints && !isTried) {
    if (refusesOlderTerm(draft)) return false;
    planMarkerTerm(draft);
    draft.step({ kind: 'repoint', upstreamUrl: intent.upstream.url, cause });
    return true;
  }
  if (forbidsStart(draft)) return false;
  planStop(draft, cause);
  planStart(draft, cause);
  return true;
}

/** One that does not listen while it runs is restarted with its new upstream. */
const REPOINTS_TRIED = 3;
