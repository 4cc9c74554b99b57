// What is measured of the fleet as a whole: hosts, operations and waits by their bounded kinds.
import type { Goal, OperationState, Wait } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import { headOf, labelText, lineOf } from './family.js';

const KINDS: readonly Goal['kind'][] = ['deploy', 'update', 'promote', 'failover', 'backup'];
const STATES: readonly OperationState[] = ['running', 'paused'];
const MOST_CODES = 100; // codes are a closed set of the programs; a peer must not widen it without end

/** The text of the few series that have no subject. */
export function renderFleet(snapshot: Snapshot): string {
  return [
    ...hostStates(snapshot),
    ...operations(snapshot),
    ...waits(snapshot),
    headOf('leafward_waivers', 'Waivers in force.', 'gauge'),
    lineOf(
      'leafward_waivers',
      '',
      snapshot.waivers.filter(({ until }) => until > snapshot.now).length,
    ),
    headOf('leafward_controller_epoch', 'Fencing epoch of this controller.', 'gauge'),
    lineOf('leafward_controller_epoch', '', snapshot.epoch),
  ].join('');
}

function hostStates(snapshot: Snapshot): readonly string[] {
  const name = 'leafward_hosts';
  const counts = { connected: 0, silent: 0, revoked: 0 };
  for (const host of Object.values(snapshot.hosts)) {
    if (host.revoked) counts.revoked += 1;
    else if (host.enrolled) counts[host.connected ? 'connected' : 'silent'] += 1;
  }
  return [
    headOf(name, 'Enrolled hosts by state.', 'gauge'),
    ...Object.entries(counts).map(([state, count]) => lineOf(name, labelText({ state }), count)),
  ];
}

function operations({ operations: all, now }: Snapshot): readonly string[] {
  const count = 'leafward_operations';
  const oldest = 'leafward_operation_oldest_age_seconds';
  const pairs = KINDS.flatMap((kind) => STATES.map((state) => ({ kind, state })));
  const groups = pairs.map(({ kind, state }) => ({
    labels: labelText({ kind, state }),
    ages: all
      .filter((each) => each.goal.kind === kind && each.state === state)
      .map((each) => (now - each.createdAt) / 1000),
  }));
  return [
    headOf(count, 'Operations that have not ended, by kind and state.', 'gauge'),
    ...groups.map(({ labels, ages }) => lineOf(count, labels, ages.length)),
    headOf(oldest, 'Age of the oldest operation that has not ended, by kind and state.', 'gauge'),
    ...groups.map(({ labels, ages }) => lineOf(oldest, labels, Math.max(0, ...ages))),
  ];
}

function waits(snapshot: Snapshot): readonly string[] {
  const count = 'leafward_waits';
  const oldest = 'leafward_wait_oldest_age_seconds';
  const byCode = new Map<string, { count: number; since: number }>();
  for (const { code, since } of allWaits(snapshot)) {
    const key = byCode.has(code) || byCode.size < MOST_CODES ? code : 'other';
    const known = byCode.get(key) ?? { count: 0, since };
    byCode.set(key, { count: known.count + 1, since: Math.min(known.since, since) });
  }
  const groups = [...byCode].sort(([a], [b]) => a.localeCompare(b));
  return [
    headOf(count, 'Things that must not happen yet, by the code of the wait.', 'gauge'),
    ...groups.map(([code, each]) => lineOf(count, labelText({ code }), each.count)),
    headOf(oldest, 'Age of the oldest wait, by its code.', 'gauge'),
    ...groups.map(([code, { since }]) =>
      lineOf(oldest, labelText({ code }), Math.max(0, snapshot.now - since) / 1000),
    ),
  ];
}

function* allWaits({ operations: all, hosts }: Snapshot): Generator<Wait> {
  for (const operation of all)
    for (const { wait } of operation.progress) if (wait !== undefined) yield wait;
  for (const host of Object.values(hosts)) {
    if (!host.connected) continue; // an old wait says nothing about now
    for (const { value } of Object.values(host.members)) yield* value.waits;
  }
}
