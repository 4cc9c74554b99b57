// What a storage goes through that is emptied and filled anew, and what becomes of its retirement: it goes where the
// data goes, and ends only with them (I2). Pure; a record that cannot follow what came before is an error.
import { assert } from '@leafward/shared/assert.js';
import type { Filling, JournalRecord, JournalState } from './records.js';

type FillingRecord = Extract<
  JournalRecord,
  { kind: 'filling-begun' | 'storage-emptied' | 'storage-filled' }
>;

/** @throws AssertionError when the record is illegal after this state. */
export function foldFilling(state: JournalState, record: FillingRecord): JournalState {
  const { storage, id } = record;
  const known = state.fillings?.[storage];
  if (record.kind === 'filling-begun') return begin(state, record);
  assert(known?.id === id, `${record.kind} of ${storage} for ${id}, which has not begun`);
  if (record.kind === 'storage-filled') {
    assert(known.state === 'emptied', `${storage} was filled for ${id} and not emptied before`);
    const reseeded = known.reseed ? id : known.reseeded;
    return withFilling(state, storage, { ...known, state: 'filled', reseeded });
  }
  assert(known.state !== 'filled', `${storage} was emptied after it was filled for ${id}`);
  // What is kept has a retirement of its own since it was begun.
  const ended = record.kept ? [storage] : [storage, known.aside];
  const left = Object.entries(state.retirements).filter(([path]) => !ended.includes(path));
  const retirements = Object.fromEntries(left);
  return withFilling({ ...state, retirements }, storage, { ...known, state: 'emptied' });
}

/** Again after a crash: legal until a reseed has filled it. */
function begin(
  state: JournalState,
  record: Extract<JournalRecord, { kind: 'filling-begun' }>,
): JournalState {
  const { storage, id, member, reseed, term, aside } = record;
  const reseeded = state.fillings?.[storage]?.reseeded;
  assert(!reseed || reseeded !== id, `${storage} was reseeded for ${id} before`);
  const retired = state.retirements[storage];
  assert(
    retired === undefined || (reseed && term >= retired.term),
    `${id} of term ${term} empties ${storage}, which is retired (I2)`,
  );
  assert(aside?.storage !== storage, `${storage} cannot be kept where it is`);
  const kept = aside?.storage;
  const filling: Filling = { id, member, reseed, aside: kept, state: 'begun', reseeded };
  const begun = withFilling(state, storage, filling);
  if (aside === undefined) return begun;
  const retirement = { ...aside, proven: true };
  return { ...begun, retirements: { ...begun.retirements, [aside.storage]: retirement } };
}

function withFilling(state: JournalState, storage: string, filling: Filling): JournalState {
  return { ...state, fillings: { ...state.fillings, [storage]: filling } };
}
