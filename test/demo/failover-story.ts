// The demo's second half: the leader's host dies, the service fails over, the old host comes back and its member
// stays down for ever.
import { setTimeout as delay } from 'node:timers/promises';
import type { MemberView, Operation } from '@leafward/shared/gen/domain.js';
import { eventually } from '../fleet/programs.js';
import { killProcessesOn, processesOn } from '../fleet/processes.js';
import { missingFrom } from '../fleet/writer.js';
import type { DemoContext } from './context.js';
import { shown, type DemoFleet } from './main-story.js';
import type { DemoReport } from './report.js';

type Writable = { -readonly [K in keyof DemoReport]: DemoReport[K] };

const OLD_LEADER = '01.cortex';
const OLD_HOST = 'bravo';
const WATCH_RETURN_MS = 6000; // longer than the agent's backoff before it would start a member

export async function showFailover(
  context: DemoContext,
  fleet: DemoFleet,
  report: Writable,
): Promise<void> {
  const { step, say } = context;
  const { local } = fleet;
  const oldStorage = fleet.storages[OLD_LEADER] ?? '';
  const acknowledgedBefore = await step(
    `pull the plug of host ${OLD_HOST}: agent and leader at once`,
    (note) => pullThePlug(fleet, oldStorage, note),
  );
  await step('fail over, on the word of the operator that the host is off', async (note) => {
    const since = Date.now();
    const operation = await local.carryOut([
      'failover',
      'cortex',
      '--leader-is-off',
      'its plug was pulled by the demo',
    ]);
    const seconds = (Date.now() - since) / 1000;
    const newLeader = await leaderOf(fleet);
    const next = await fleet.writer.untilNextWrite(10_000);
    if (next.member !== newLeader)
      throw new Error(`writes go to ${next.member}, not to ${newLeader}`);
    const missing = await missingFrom(fleet.storages[newLeader] ?? '', acknowledgedBefore);
    report.failover = {
      oldLeader: OLD_LEADER,
      newLeader,
      seconds,
      lostAcknowledged: missing.length,
    };
    noteFailover(operation, report.failover, acknowledgedBefore.length, note);
    await assertPrefix(
      fleet,
      newLeader,
      missing.map((write) => write.offset),
    );
  });
  await step(`bring host ${OLD_HOST} back`, async (note) => {
    report.retiredStarts = await watchReturn(fleet, oldStorage, note);
    if (report.retiredStarts > 0) throw new Error(`${OLD_LEADER} was started again`);
  });
  say(await shown(local, ['status']));
  say(await shown(local, ['why', OLD_LEADER]));
  await step('look at the metrics as Prometheus would', async (note) => {
    const text = await (await fetch(`http://127.0.0.1:${local.metricsPort}/metrics`)).text();
    const families = text.split('\n').filter((line) => line.startsWith('# TYPE leafward_')).length;
    if (families < 20) throw new Error(`only ${families} leafward_ metrics`);
    note(`${families} metrics at http://127.0.0.1:${local.metricsPort}/metrics`);
  });
}

async function pullThePlug(
  fleet: DemoFleet,
  oldStorage: string,
  note: (text: string) => void,
): Promise<DemoFleet['writer'] extends { acknowledged(): infer A } ? A : never> {
  const agent = fleet.local.agent(OLD_HOST);
  agent?.signal('SIGKILL');
  const killed = await killProcessesOn(oldStorage);
  await agent?.ended;
  if (killed === 0) throw new Error(`${OLD_LEADER} was not running`);
  await eventually(
    `nothing runs from the storage of ${OLD_LEADER}`,
    5000,
    async () => (await processesOn(oldStorage)).length === 0,
  );
  await eventually('the controller has noticed', 15_000, async () => {
    const status = await fleet.local.status();
    return status.hosts.find((host) => host.host === OLD_HOST)?.connected === false;
  });
  const acknowledged = [...fleet.writer.acknowledged()];
  note(`${acknowledged.length} writes were acknowledged until then`);
  return acknowledged;
}

async function leaderOf(fleet: DemoFleet): Promise<string> {
  return eventually('status shows one leader', 10_000, async () => {
    const members = (await fleet.local.status()).services[0]?.members ?? [];
    const leaders = members.filter((m: MemberView) => m.role === 'leader' && m.run === 'running');
    return leaders.length === 1 ? leaders[0]?.member : undefined;
  });
}

function noteFailover(
  operation: Operation,
  failover: NonNullable<DemoReport['failover']>,
  before: number,
  note: (text: string) => void,
): void {
  note(
    `${failover.newLeader} leads after ${failover.seconds.toFixed(1)} s: ${operation.chosenBecause ?? ''}`,
  );
  note(
    failover.lostAcknowledged === 0
      ? `nothing that was acknowledged is lost (${before} writes)`
      : `${failover.lostAcknowledged} of ${before} acknowledged writes had not reached any mirror when the plug was pulled`,
  );
}

/** What is lost may only be the end of the log that no mirror had: nothing in the middle. */
async function assertPrefix(
  fleet: DemoFleet,
  newLeader: string,
  missingOffsets: readonly number[],
): Promise<void> {
  const before = fleet.writer.acknowledged().filter((write) => write.member === OLD_LEADER);
  const kept = before.filter((write) => !missingOffsets.includes(write.offset));
  const lastKept = Math.max(...kept.map((write) => write.offset));
  if (missingOffsets.some((offset) => offset < lastKept))
    throw new Error(`${newLeader} lacks writes from the middle of the log`);
}

/** Starts the old host's agent again and counts every process that runs from the retired storage. */
async function watchReturn(
  fleet: DemoFleet,
  oldStorage: string,
  note: (text: string) => void,
): Promise<number> {
  const { local } = fleet;
  await local.startAgent(OLD_HOST);
  await eventually(
    'the agent is back',
    15_000,
    async () => (await local.status()).hosts.find((host) => host.host === OLD_HOST)?.connected,
  );
  const pids = new Set<number>();
  const until = Date.now() + WATCH_RETURN_MS;
  while (Date.now() < until) {
    for (const pid of await processesOn(oldStorage)) pids.add(pid);
    await delay(50);
  }
  const view = (await local.status()).services[0]?.members.find((m) => m.member === OLD_LEADER);
  if (view?.state !== 'retired')
    throw new Error(`${OLD_LEADER} is shown as ${view?.state ?? 'nothing'}`);
  note(
    `its agent is back; processes seen from the retired storage in ${WATCH_RETURN_MS / 1000} s: ${pids.size}`,
  );
  note(`starts since it was retired, by its agent's own count: ${view.startsSinceRetired}`);
  return pids.size + view.startsSinceRetired;
}
