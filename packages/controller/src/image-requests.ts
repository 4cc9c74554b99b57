// Requests of the memory image: which of them are open, by host, and how many ended ones are kept.
import type { Operation, Outcome } from '@leafward/shared/gen/domain.js';
import type { RequestState } from './snapshot.js';

const ENDED_REQUESTS_KEPT = 2000;

type Pending = Map<string, RequestState[]>;

export interface RequestsImage {
  readonly requests: Readonly<Record<string, RequestState>>;
  /** Open ones by host, oldest first. */
  readonly pending: Pending;
  readonly operations: readonly Operation[];
}

export function addPending(pending: Pending, state: RequestState): void {
  if (state.outcome !== undefined) return;
  const list = pending.get(state.host) ?? [];
  list.push(state);
  pending.set(
    state.host,
    list.sort((a, b) => a.createdAt - b.createdAt),
  );
}

export function withOutcome(image: RequestsImage, outcome: Outcome): RequestsImage['requests'] {
  const state = image.requests[outcome.requestId];
  if (state === undefined) return image.requests;
  const others = (image.pending.get(state.host) ?? []).filter(
    (p) => p.request.id !== outcome.requestId,
  );
  image.pending.set(state.host, others);
  const requests = { ...image.requests, [outcome.requestId]: { ...state, outcome } };
  const ids = Object.keys(requests);
  if (ids.length <= ENDED_REQUESTS_KEPT * 2) return requests;
  // What an open operation was answered it may ask for at any time, however long it has been paused.
  const isHeld = (id: string): boolean =>
    image.operations.some((operation) => id.startsWith(`${operation.id}.`));
  const ended = ids.filter(
    (id) => (requests[id]?.outcome?.state ?? 'running') !== 'running' && !isHeld(id),
  );
  for (const id of ended.slice(0, ended.length - ENDED_REQUESTS_KEPT)) delete requests[id];
  return requests;
}
