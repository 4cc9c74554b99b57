// One look at a process of a stack: its health, its metrics, and for a worker its main process too. `/health` alone
// proves next to nothing: it stays 200 without database, main process or Redis.
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { EngineFact } from '@leafward/shared/gen/domain.js';
import type { EngineMember } from '../engine.js';
import {
  healthUrl,
  isMain,
  mainMetricsUrl,
  metricsUrl,
  usesRedis,
  VERSIONS_PATH,
  workerNameOf,
} from './addresses.js';
import { httpGet } from './http-get.js';
import { readMetrics, type ProcessMetrics } from './metrics-text.js';

/** A healthy process answers within milliseconds; one that needs this long hangs for its clients too. */
const DEADLINE_MS = 3_000;
/** A busy main process writes some hundred kilobytes. */
const MAX_METRICS_BYTES = 16 * 2 ** 20;
const MAX_HEALTH_BYTES = 64 * 1024;
/** Behind by more than this, a consumer of events is stuck rather than busy. */
const EVENT_LAG = 10_000;

/** Throws what httpGet throws, and `failed` for an answer that is not a homeserver's. */
export async function observeProcess(
  member: EngineMember,
  workers: readonly EngineMember[],
  signal: AbortSignal,
): Promise<EngineFact> {
  const [own, main] = await Promise.all([
    ask(metricsUrl(member), signal),
    isMain(member) ? undefined : askMain(member, signal),
    askHealth(member, signal),
  ]);
  return main === undefined ? mainFact(own, member, workers) : workerFact(own, member, main);
}

async function ask(url: URL, signal: AbortSignal): Promise<ProcessMetrics> {
  const options = { url, deadlineMs: DEADLINE_MS, maxBytes: MAX_METRICS_BYTES };
  const { status, body } = await httpGet(options, signal);
  const metrics = readMetrics(body);
  if (status !== 200 || metrics.version === undefined)
    throw new LeafwardError(
      'failed',
      `ask ${url.href}: status ${status} and no synapse_build_info in it; is this its metrics port?`,
    );
  return metrics;
}

async function askHealth(member: EngineMember, signal: AbortSignal): Promise<void> {
  const url = healthUrl(member);
  if (url === undefined) return;
  const get = (at: URL) =>
    httpGet({ url: at, deadlineMs: DEADLINE_MS, maxBytes: MAX_HEALTH_BYTES }, signal);
  const { status } = await get(url);
  if (status === 200) return;
  // Before 1.19 there is no /health; every listener for clients has this one.
  const older = status === 404 ? (await get(new URL(VERSIONS_PATH, url))).status : status;
  if (older !== 200)
    throw new LeafwardError('failed', `ask ${url.href}: status ${status}, and 200 is healthy`);
}

type MainSeen =
  | { readonly kind: 'not-asked' }
  | { readonly kind: 'silent'; readonly error: string }
  | { readonly kind: 'seen'; readonly metrics: ProcessMetrics };

/** A worker says connected to a main process that hangs: the kernel took the connection. So it is asked itself. */
async function askMain(member: EngineMember, signal: AbortSignal): Promise<MainSeen> {
  const url = mainMetricsUrl(member);
  if (url === undefined) return { kind: 'not-asked' };
  try {
    return { kind: 'seen', metrics: await ask(url, signal) };
  } catch (error) {
    return { kind: 'silent', error: messageOf(error) };
  }
}

/** Ready says nothing of its workers: they are started only after it. `health` does. */
function mainFact(
  own: ProcessMetrics,
  member: EngineMember,
  workers: readonly EngineMember[],
): EngineFact {
  return {
    answered: true,
    version: own.version,
    active: true,
    ready: true,
    health: healthText([...missingWorkers(own, member, workers), ...eventLag(own)]),
  };
}

function missingWorkers(
  own: ProcessMetrics,
  member: EngineMember,
  workers: readonly EngineMember[],
): readonly string[] {
  if (usesRedis(member) || own.connections === undefined) return [];
  const told = Number(member.spec.engineOptions['workers'] ?? NaN);
  const wanted = Number.isInteger(told) ? told : workers.length;
  if (own.connections === wanted) return [];
  const names = workers
    .flatMap((worker) => workerNameOf(worker) ?? [])
    .filter((name) => !own.connected.includes(name));
  const which = names.length === 0 ? '' : `, not ${names.sort().join(', ')}`;
  return [`${own.connections} of ${wanted} workers are connected${which}`];
}

function eventLag({ eventLag: lag }: ProcessMetrics): readonly string[] {
  return lag !== undefined && lag > EVENT_LAG
    ? [`more than ${EVENT_LAG} events wait to be processed`]
    : [];
}

function workerFact(own: ProcessMetrics, member: EngineMember, main: MainSeen): EngineFact {
  const uplink = (own.connections ?? 0) > 0 && main.kind !== 'silent';
  const mainVersion = main.kind === 'seen' ? main.metrics.version : undefined;
  const isSame = mainVersion === undefined || mainVersion === own.version;
  const isKnown = usesRedis(member) || main.kind !== 'seen' || isListed(member, main.metrics);
  const problems = [
    ...(main.kind === 'silent' ? [`its main process does not answer: ${main.error}`] : []),
    ...((own.connections ?? 0) > 0 ? [] : ['it is not connected to its main process']),
    ...(isSame ? [] : [`its main process is of version ${mainVersion}, it is of ${own.version}`]),
    ...(isKnown ? [] : [`its main process knows no worker ${workerNameOf(member) ?? ''}`]),
  ];
  return {
    answered: true,
    version: own.version,
    active: false,
    ready: uplink && isSame && isKnown,
    uplink,
    upstreamUrl: member.upstreamUrl,
    health: healthText(problems),
  };
}

/** Releases that list nobody cannot say who is missing. */
function isListed(member: EngineMember, { connected }: ProcessMetrics): boolean {
  const name = workerNameOf(member);
  return name === undefined || connected.length === 0 || connected.includes(name);
}

const healthText = (problems: readonly string[]): string =>
  problems.length === 0 ? 'ok' : problems.join('; ');
