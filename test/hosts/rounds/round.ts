// One round: a healthy service under writes, one fault to its leader, what came of it, and everything healed again.
// The judge is the writer and the members themselves; Leafward is only asked when it did what.
import type { MemberView, Operation } from '@leafward/shared/gen/domain.js';
import { missingFrom, startWriter, type Acknowledged, type Writer } from '../../fleet/writer.js';
import { eventually } from '../../rig/conditions.js';
import type { CortexOnHosts } from '../cortex-on-hosts.js';
import type { Fault } from './faults.js';
import { watchLeaders } from './leaders.js';

export interface RoundResult {
  readonly fault: string;
  readonly leader: string;
  /** Whether somebody else had to lead, and whether somebody else does. */
  readonly shouldFailOver: Fault['failsOver'];
  readonly newLeader?: string | undefined;
  /** From the fault until the failover was begun, until its fence was proven, until a write was acknowledged. */
  readonly detectedMs?: number | undefined;
  readonly fencedMs?: number | undefined;
  readonly writableMs?: number | undefined;
  readonly acknowledged: number;
  /** Acknowledged by the old leader alone, at its very end: what replication that does not wait loses. */
  readonly lostAtTheEnd: number;
  /** Acknowledged, followed by a write that is there, and not there itself: must be 0. */
  readonly lostBefore: number;
  readonly twoLeadersMs: number;
  /** Longest time without an acknowledged write. */
  readonly longestGapMs: number;
}

/** Longer than a lease and everything until a failover by itself would have begun. */
const UNTOUCHED_MS = 20_000;
const WHOLE = { timeoutMs: 180_000, everyMs: 250 };

/** @throws Error when the service does not come right again, or a failover that must come does not. */
export async function playRound(
  cortex: CortexOnHosts,
  fault: Fault,
  number: number,
): Promise<RoundResult> {
  const leader = (await untilWhole(cortex)).member;
  await untilArmed(cortex);
  const watch = watchLeaders(cortex.storages);
  const prefix = `round-${number}-`;
  const writer = startWriter({ members: cortex.storages, everyMs: 5, prefix });
  try {
    await writer.untilNextWrite(20_000);
    const struckAt = Date.now();
    const heal = await fault.strike({ cortex, leader, host: cortex.hostOf(leader) });
    const operation = await untilDecided(cortex, fault, struckAt);
    if (fault.failsOver === true) await untilOtherWrites(writer, leader, struckAt);
    await heal();
    const after = await makeWhole(cortex, leader, operation);
    await writer.untilNextWrite(20_000);
    await writer.stop();
    const lost = await lossOf(cortex, after.member, writer.acknowledged());
    return {
      fault: fault.name,
      leader,
      shouldFailOver: fault.failsOver,
      newLeader: after.member === leader ? undefined : after.member,
      ...timesOf(operation, struckAt),
      writableMs: operation === undefined ? undefined : writtenByOther(writer, leader, struckAt),
      acknowledged: writer.acknowledged().length,
      ...lost,
      twoLeadersMs: watch.twoLeadersMs(),
      longestGapMs: writer.longestGapMs(struckAt),
    };
  } finally {
    await writer.stop();
    await watch.stop();
  }
}

const membersOf = async ({ fleet }: CortexOnHosts): Promise<readonly MemberView[]> =>
  (await fleet.status()).services[0]?.members ?? [];

/** Everybody leads or mirrors, and nothing is going on; returns who leads. */
function untilWhole(cortex: CortexOnHosts): Promise<MemberView> {
  return eventually(
    'one leads and all others mirror it',
    async () => {
      const members = await membersOf(cortex);
      const isWhole = members.every(({ state }) => state === 'leading' || state === 'mirroring');
      const open = await openOperations(cortex);
      return isWhole && open.length === 0 && members.find(({ state }) => state === 'leading');
    },
    WHOLE,
  );
}

/** When each controller was first seen, by its process id. */
const startedAt = new Map<number, number>();
/** A controller that has just started decides nothing by itself yet (`just-started`, 30 s). */
const ARMED_AFTER_MS = 32_000;

export function noteController({ fleet }: CortexOnHosts): number {
  const { pid } = fleet.controller();
  const known = startedAt.get(pid) ?? performance.now();
  startedAt.set(pid, known);
  return known;
}

async function untilArmed(cortex: CortexOnHosts): Promise<void> {
  const since = noteController(cortex);
  await eventually(
    'it would fail over by itself',
    () => performance.now() - since > ARMED_AFTER_MS,
    WHOLE,
  );
}

async function operationsOf({ fleet }: CortexOnHosts): Promise<readonly Operation[]> {
  return fleet.cliJson<readonly Operation[]>(['operation', 'list', '--all']);
}

const openOperations = async (cortex: CortexOnHosts): Promise<readonly Operation[]> =>
  (await operationsOf(cortex)).filter(({ state }) => state === 'running' || state === 'paused');

const recoverySince = async (
  cortex: CortexOnHosts,
  since: number,
): Promise<Operation | undefined> =>
  (await operationsOf(cortex)).find(
    ({ goal, createdAt }) => goal.kind === 'failover' && createdAt >= since,
  );

/** Until it was failed over, or was left alone for long enough. */
async function untilDecided(
  cortex: CortexOnHosts,
  { failsOver }: Fault,
  since: number,
): Promise<Operation | undefined> {
  if (failsOver === true) return untilFailedOver(cortex, since);
  await untilUntouched(since);
  if (failsOver === false) return undefined;
  return (await recoverySince(cortex, since)) && untilFailedOver(cortex, since);
}

function untilFailedOver(cortex: CortexOnHosts, since: number): Promise<Operation> {
  return eventually(
    'it is failed over by itself',
    async () => {
      const operation = await recoverySince(cortex, since);
      if (operation?.state === 'paused') throw new Error(operation.reason);
      return operation?.state === 'done' && operation;
    },
    { timeoutMs: 90_000, everyMs: 200 },
  );
}

/** What never happens cannot be waited for: long enough for it to have happened. */
async function untilUntouched(since: number): Promise<undefined> {
  await eventually('the time is over', () => Date.now() - since > UNTOUCHED_MS, WHOLE);
  return undefined;
}

function writtenByOther(writer: Writer, leader: string, since: number): number | undefined {
  const first = writer.acknowledged().find(({ member, at }) => member !== leader && at >= since);
  return first === undefined ? undefined : first.at - since;
}

async function untilOtherWrites(writer: Writer, leader: string, since: number): Promise<void> {
  await eventually('another one acknowledges writes', () => {
    return writtenByOther(writer, leader, since) !== undefined;
  });
}

/** As an operator does afterwards: looks, acknowledges, and lets the old leader mirror again. */
export async function makeWhole(
  cortex: CortexOnHosts,
  oldLeader: string,
  expected: Operation | undefined,
): Promise<MemberView> {
  const { fleet } = cortex;
  for (const host of cortex.rig.hosts) await fleet.untilConnected(host.name);
  const retired = (await membersOf(cortex)).find(({ run }) => run === 'retired')?.member;
  if (expected !== undefined || retired !== undefined) {
    await fleet.cli(['failover', 'acknowledge', 'cortex']);
    const member = retired ?? oldLeader;
    await eventually(
      `${member} is seen retired`,
      async () =>
        (await membersOf(cortex)).find((one) => one.member === member)?.state === 'retired',
      WHOLE,
    );
    await fleet.apply(await fleet.plan(['reseed', 'cortex', member, '--wipe']), 180_000);
  }
  return untilWhole(cortex);
}

function timesOf(
  operation: Operation | undefined,
  since: number,
): Pick<RoundResult, 'detectedMs' | 'fencedMs'> {
  if (operation === undefined) return {};
  const fence = operation.moves.findIndex(({ kind }) => kind === 'fence');
  const endedAt = operation.progress[fence]?.endedAt;
  return {
    detectedMs: operation.createdAt - since,
    fencedMs: endedAt === undefined ? undefined : endedAt - since,
  };
}

/** The end of the old leader's log may be lost, nothing before it: a hole would be a write that was taken away. */
async function lossOf(
  { storages }: CortexOnHosts,
  leader: string,
  acknowledged: readonly Acknowledged[],
): Promise<Pick<RoundResult, 'lostAtTheEnd' | 'lostBefore'>> {
  // What an older round has written is as much as all its rounds took, and nobody asks for it.
  const first = Math.min(...acknowledged.map(({ offset }) => offset));
  const from = Number.isFinite(first) ? Math.max(0, first - 1) : 0;
  const missing = await missingFrom(storages[leader] ?? '', acknowledged, from);
  const lost = new Set(missing.map(({ value }) => value));
  const holes = missing.filter((write) => {
    const later = acknowledged.slice(acknowledged.indexOf(write) + 1);
    return later.some(({ member, value }) => member === write.member && !lost.has(value));
  });
  return { lostAtTheEnd: missing.length - holes.length, lostBefore: holes.length };
}
