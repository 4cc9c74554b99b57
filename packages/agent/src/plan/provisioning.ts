// A storage that a one-time URL makes a member of, until it has answered for the first time. Pure. What was cut short
// where it never goes on is wiped: as long as its marker says that it is being provisioned, nobody's data lies there.
import type { Draft } from './draft.js';
import { markerOf, refusesOlderTerm, refusesStorage, waitsForUsers } from './start.js';
import { mayRun } from './stopped.js';

/** True: it must not be made or started now; why, or what is done first, is in the draft. */
export function forbidsByProvisioning(draft: Draft): boolean {
  const { provisioning, container, intent } = draft.subject;
  if (mayRun(container.state)) return false;
  if (provisioning !== 'needed' && provisioning !== 'broken') return false;
  if (refusesStorage(draft) || refusesOlderTerm(draft)) return true;
  if (provisioning === 'needed') {
    const { service = '', name = '' } = intent.provision ?? {};
    draft.wait({
      code: 'not-provisioned',
      message: `it has no place in the network yet: ${service} gives ${name} a one-time URL first`,
      unblock: 'nothing is needed while an operation places it; else plan the deploy again',
    });
    return true;
  }
  if (waitsForUsers(draft)) return true;
  planBeginning(draft);
  return true;
}

function planBeginning(draft: Draft): void {
  const cause = 'its first start was cut short, and never goes on from there';
  const { provisioning: _, ...marker } = markerOf(draft);
  const found = draft.subject.marker;
  const isMarked = found.kind === 'found' && found.marker.provisioning?.broken === true;
  // First: half of it must not be started should this agent end in the middle.
  if (!isMarked)
    draft.step({
      kind: 'write-marker',
      storage: draft.subject.intent.spec.storage,
      marker: { ...marker, provisioning: { broken: true } },
      cause,
    });
  draft.step({ kind: 'begin-anew', marker, cause });
}

/** It answers: the URL that it was given is used, and what it has from now on is its own. */
export function endsProvisioning(draft: Draft): void {
  const { marker, engine, provisioning } = draft.subject;
  const isOpen = marker.kind === 'found' && marker.marker.provisioning !== undefined;
  if (!isOpen || provisioning !== 'begun' || !engine.answered) return;
  const { provisioning: _, ...rest } = markerOf(draft);
  draft.step({
    kind: 'end-provisioning',
    marker: rest,
    cause: 'it answers for the first time',
  });
}
