// Planning an update of every service of a fleet from one snapshot, at three sizes: the cost must grow with the
// number of services and no faster.
import { planGoal } from '@leafward/controller/planning/index.js';
import type { HostState, Received, Snapshot } from '@leafward/controller/snapshot.js';
import type { Goal, Image, MemberFact } from '@leafward/shared/gen/domain.js';
import type { BenchContext, Benchmark, Row } from './harness.js';
import { median, ms } from './harness.js';
import {
  backupsOf,
  findingsOf,
  hostFactOf,
  intentOf,
  memberFactOf,
  sampleFleet,
  serviceStateOf,
} from './sample-fleet.js';

const MEMBERS_EACH = 5;
const GOAL_MS = 500;
/** Per service, the largest fleet against the smallest: caches get colder, a square would be 4. */
const LINEAR_WITHIN = 1.5;

const image: Image = {
  reference: 'vertexproject/synapse-cortex:v2.260.0',
  digest: `sha256:${'7d'.repeat(32)}`,
  version: '2.260.0',
  sizeBytes: 1_200_000_000,
};

export const planning: Benchmark = { name: 'planning', run };

async function run({ quick }: BenchContext): Promise<readonly Row[]> {
  const sizes = quick ? [250, 500, 1000] : [1000, 2000, 4000];
  const rounds = quick ? 3 : 7;
  const snapshots = sizes.map(snapshotOf);
  const took = sizes.map((): number[] => []);
  const written: number[] = [];
  for (let round = -1; round < rounds; round += 1) {
    snapshots.forEach((snapshot, i) => {
      // A new value each time: nothing that was remembered of the last round's lists may count.
      const tookMs = timed(() => planAll({ ...snapshot, backups: [...snapshot.backups] }));
      if (round >= 0) took[i]?.push(tookMs); // the first round warms up
    });
    const limitMs = timed(() => JSON.stringify(snapshots[0]));
    if (round >= 0) written.push(limitMs);
  }
  return rows(
    sizes,
    took.map((times) => median(times)),
    median(written),
  );
}

function timed(act: () => unknown): number {
  const began = performance.now();
  act();
  return performance.now() - began;
}

function planAll(snapshot: Snapshot): void {
  for (const service of Object.keys(snapshot.services)) {
    const goal: Goal = { kind: 'update', service, image: image.reference, resolved: image };
    const plan = planGoal(snapshot, goal, { [image.reference]: image });
    if (plan.refusals.length > 0 || plan.moves.length !== 1 + MEMBERS_EACH)
      throw new Error(
        `the plan for ${service} has ${plan.moves.length} moves; refused: ${plan.refusals.map((r) => r.message).join('; ')}`,
      );
  }
}

function snapshotOf(services: number): Snapshot {
  const fleet = sampleFleet(services, MEMBERS_EACH);
  const now = Date.UTC(2026, 10, 21, 12);
  const hosts = fleet.hosts.map((name): readonly [string, HostState] => {
    const placed = fleet.byHost.get(name) ?? [];
    const members = placed.map((one): readonly [string, Received<MemberFact>] => [
      one.member,
      { value: memberFactOf(one, now - 1000), receivedAt: now - 1000 },
    ]);
    return [
      name,
      {
        ...{ name, enrolled: true, revoked: false, connected: true },
        ...{ lastSeenAt: now - 1000, clockOffsetMs: 3, acceptedGeneration: 1 },
        intent: intentOf(fleet, name),
        fact: hostFactOf(now - 1000),
        members: Object.fromEntries(members),
        findings: findingsOf(now),
      },
    ];
  });
  return {
    ...{ now, fleet: 'bench', epoch: 1, controllerStartedAt: now - 3_600_000 },
    services: Object.fromEntries(
      [...fleet.byService.keys()].map((name) => [name, serviceStateOf(fleet, name)]),
    ),
    hosts: Object.fromEntries(hosts),
    ...{ requests: {}, operations: [], waivers: [], history: {} },
    // One of each service: that of its first mirror.
    backups: [...fleet.byService.values()].flatMap((placed) => backupsOf(placed, now)),
  };
}

function rows(
  sizes: readonly number[],
  took: readonly number[],
  writtenMs: number,
): readonly Row[] {
  const [first = NaN] = took;
  const [firstSize = NaN] = sizes;
  const each = took.map((tookMs, i) => (1000 * tookMs) / (sizes[i] ?? NaN));
  const growth = (each.at(-1) ?? NaN) / (each[0] ?? NaN);
  return [
    {
      what: `planning an update of ${firstSize} services × ${MEMBERS_EACH} members, each proven safe`,
      goal: `≤ ${GOAL_MS} ms`,
      measured: ms(first),
      yardstick: `the same snapshot written as JSON once: ${ms(writtenMs)}`,
      ratio: `× ${(first / writtenMs).toFixed(2)}`,
      met: first <= (GOAL_MS * firstSize) / 1000,
    },
    {
      what: 'the same: growth',
      goal: `linear (cost of one service at most × ${LINEAR_WITHIN})`,
      measured: sizes.map((size, i) => `${size}: ${ms(took[i] ?? NaN)}`).join(', '),
      yardstick: `${(each[0] ?? NaN).toFixed(0)} µs a service at ${firstSize}`,
      ratio: `× ${growth.toFixed(2)} at ${sizes.at(-1)}`,
      met: growth <= LINEAR_WITHIN,
    },
  ];
}
