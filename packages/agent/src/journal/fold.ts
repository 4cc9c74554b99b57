// What a record does to the state. Pure; a record that cannot follow what came before is an error, because
// then either the journal or the program is broken and acting on it could make two leaders.
import { assert, unreachable } from '@leafward/shared/assert.js';
import type { HostIntent, Outcome } from '@leafward/shared/gen/domain.js';
import { dutiesOf, foldDuty } from '../duty/memory.js';
import { foldFilling } from './fold-filling.js';
import type { JournalRecord, JournalState, RequestRecord } from './records.js';

/** Settled requests that are remembered, so that one sent again is known (I12). */
export const SETTLED_KEPT = 1000;

/** @throws AssertionError when the record is illegal after this state. */
export function fold(state: JournalState, record: JournalRecord): JournalState {
  switch (record.kind) {
    case 'intent-accepted':
      return acceptIntent(state, record.intent);
    case 'request-started': {
      const { request } = record;
      assert(!(request.id in state.requests), `request ${request.id} was started before (I12)`);
      const begun: RequestRecord = { request, startedAt: record.at, acknowledged: false };
      return { ...state, requests: { ...state.requests, [request.id]: begun } };
    }
    case 'request-settled':
      return settle(state, record.outcome);
    case 'outcomes-acknowledged':
      return acknowledge(state, record.ids);
    case 'promotion-begun': {
      const earlier = state.promotions[record.member] ?? 0;
      assert(record.term >= earlier, `promotion of ${record.member} fell from term ${earlier}`);
      return { ...state, promotions: { ...state.promotions, [record.member]: record.term } };
    }
    case 'seen-leading':
      return { ...state, led: { ...state.led, [record.member]: record.term } };
    case 'retired':
    case 'retirement-proven':
    case 'retired-start-seen':
      return foldRetirement(state, record);
    case 'filling-begun':
    case 'storage-emptied':
    case 'storage-filled':
      return foldFilling(state, record);
    case 'step-started':
      return startStep(state, record);
    case 'step-ended': {
      const { [record.member]: step, ...steps } = state.steps;
      assert(step !== undefined, `a step of ${record.member} ended that had not begun`);
      if (step.step !== 'start' || record.error === undefined) return { ...state, steps };
      return { ...state, steps, leftRunning: { ...state.leftRunning, [record.member]: false } };
    }
    case 'duty-begun':
    case 'due-over':
      return { ...state, duties: foldDuty(state.duties ?? {}, record) };
    case 'snapshot':
      return record.state;
    default:
      return unreachable(record);
  }
}

function acceptIntent(state: JournalState, intent: HostIntent): JournalState {
  const known = state.intent;
  if (known !== undefined) {
    assert(intent.epoch >= known.epoch, `epoch ${intent.epoch} is older than ${known.epoch} (I11)`);
    const follows =
      intent.generation > known.generation ||
      (intent.generation === known.generation && intent.epoch > known.epoch);
    assert(follows, `generation ${intent.generation} does not follow ${known.generation} (I11)`);
  }
  const terms = { ...state.terms };
  for (const { member, service, term, run } of intent.members) {
    const before = known?.members.find((one) => one.member === member);
    assert(term >= (before?.term ?? 0), `the term of ${member} fell to ${term} (I11)`);
    // A fenced leader is one term ahead of the members beside it until the new term begins for them too.
    if (run === 'retired') continue;
    assert(term >= (state.terms[service] ?? 0), `the term of ${service} fell to ${term} (I11)`);
    terms[service] = Math.max(term, terms[service] ?? 0);
  }
  return {
    ...state,
    intent,
    terms,
    startedOn: stillNamed(state, intent),
    leftRunning: leftOf(state, intent),
    ...dutiesLeft(state, intent),
  };
}

function dutiesLeft(
  { duties }: JournalState,
  { members }: HostIntent,
): Pick<JournalState, 'duties'> {
  if (duties === undefined) return {};
  const named = members.map(({ member }) => member);
  return { duties: dutiesOf(duties, named) };
}

/** A member that was removed, or left out, begins anew when it comes back. */
function stillNamed(state: JournalState, { members }: HostIntent): JournalState['startedOn'] {
  const named = new Set(members.filter(({ run }) => run !== 'removed').map(({ member }) => member));
  const kept = Object.entries(state.startedOn ?? {}).filter(([, member]) => named.has(member));
  return Object.fromEntries(kept);
}

function leftOf(state: JournalState, { members }: HostIntent): JournalState['leftRunning'] {
  const named = new Set(members.map(({ member }) => member));
  const kept = Object.entries(state.leftRunning ?? {}).filter(([member]) => named.has(member));
  return Object.fromEntries(kept);
}

function settle(state: JournalState, outcome: Outcome): JournalState {
  const id = outcome.requestId;
  const known = state.requests[id];
  assert(outcome.state !== 'running', `request ${id} cannot settle as running`);
  assert(known?.outcome === undefined, `request ${id} has an outcome already (I12)`);
  assert(
    known !== undefined || outcome.state === 'refused',
    `request ${id} has the outcome ${outcome.state} and was never started`,
  );
  const settled: RequestRecord = {
    startedAt: known?.startedAt ?? outcome.startedAt,
    outcome,
    acknowledged: false,
  };
  const { [id]: _, ...others } = state.requests;
  return { ...state, requests: forgetOldest({ ...others, [id]: settled }) };
}

function acknowledge(state: JournalState, ids: readonly string[]): JournalState {
  const requests = { ...state.requests };
  for (const id of ids) {
    const known = requests[id];
    if (known?.outcome !== undefined) requests[id] = { ...known, acknowledged: true };
  }
  return { ...state, requests };
}

/** Only acknowledged ones are forgotten: an outcome that nobody has stored yet must not be lost. */
function forgetOldest(requests: JournalState['requests']): JournalState['requests'] {
  const settled = Object.entries(requests).filter(([, one]) => one.acknowledged);
  if (settled.length <= SETTLED_KEPT) return requests;
  const gone = new Set(settled.slice(0, settled.length - SETTLED_KEPT).map(([id]) => id));
  return Object.fromEntries(Object.entries(requests).filter(([id]) => !gone.has(id)));
}

function foldRetirement(
  state: JournalState,
  record: Extract<JournalRecord, { kind: 'retired' | 'retirement-proven' | 'retired-start-seen' }>,
): JournalState {
  if (record.kind === 'retired') {
    const { retirement } = record;
    const known = state.retirements[retirement.storage];
    const next = { ...retirement, proven: known?.proven ?? false };
    return { ...state, retirements: { ...state.retirements, [retirement.storage]: next } };
  }
  const known = state.retirements[record.storage];
  assert(known !== undefined, `${record.kind} of ${record.storage}, which is not retired`);
  if (record.kind === 'retirement-proven') {
    const next = { ...known, proven: true };
    return { ...state, retirements: { ...state.retirements, [record.storage]: next } };
  }
  // Counted once for each time that it was seen running: proof of the stop must come anew.
  const next = { ...known, proven: false };
  const count = state.starts[record.member] ?? { starts: 0, sinceRetired: 0 };
  return {
    ...state,
    retirements: { ...state.retirements, [record.storage]: next },
    starts: {
      ...state.starts,
      [record.member]: { ...count, sinceRetired: count.sinceRetired + 1 },
    },
  };
}

function startStep(
  state: JournalState,
  record: Extract<JournalRecord, { kind: 'step-started' }>,
): JournalState {
  const { member, step, cause, at } = record;
  const steps = { ...state.steps, [member]: { step, cause, at } };
  if (step !== 'start' && step !== 'stop') return { ...state, steps };
  const leftRunning = { ...state.leftRunning, [member]: step === 'start' };
  if (step === 'stop') return { ...state, steps, leftRunning };
  assert(
    state.retirements[record.storage] === undefined,
    `a start of ${member} on the retired storage ${record.storage} (I2)`,
  );
  assert(
    state.fillings?.[record.storage]?.state !== 'emptied',
    `a start of ${member} on ${record.storage}, which was emptied and is not filled`,
  );
  const count = state.starts[member] ?? { starts: 0, sinceRetired: 0 };
  const starts = { ...state.starts, [member]: { ...count, starts: count.starts + 1 } };
  const startedOn = { ...state.startedOn, [record.storage]: member };
  return { ...state, steps, starts, startedOn, leftRunning };
}
