// A controller with a thousand agents that report every five seconds, scraped as Prometheus does: its memory, its
// processor time, how long a scrape takes and how long it holds the loop up.
import type { BenchContext, Benchmark, Row } from './harness.js';
import { mb, ms, quantile, sleep } from './harness.js';
import { costBetween, type ClientFigures, type ServerCost, type ServerFigures } from './figures.js';
import { preparePair, type Served } from './pair.js';
import { sampleFleet } from './sample-fleet.js';

const AGENTS = 1000;
const MEMBERS_EACH = 4;
const REPORT_EVERY_MS = 5000;
const SCRAPE_EVERY_MS = 15_000;

interface Load {
  readonly cost: ServerCost;
  readonly rssBytes: number;
  readonly p99Ms: number;
  readonly lost: number;
  readonly heapBytes: number;
  readonly externalBytes: number;
}
interface Scrape {
  readonly tookMs: number;
  readonly heldMs: number;
  readonly bytes: number;
  /** Longest delay of the loop in a stretch of the same length without a scrape. */
  readonly restHeldMs: number;
}

export const thousandAgents: Benchmark = { name: 'thousand-agents', run };

async function run(context: BenchContext): Promise<readonly Row[]> {
  const agents = context.quick ? 200 : AGENTS;
  const windowMs = context.quick ? 10_000 : 30_000;
  const pair = await preparePair(context.dir, sampleFleet(agents, MEMBERS_EACH), MEMBERS_EACH);
  try {
    const raw = await pair.startRaw();
    const limit = await load(raw, windowMs / 2);
    await raw.agents.stop();
    await raw.server.stop();

    const controller = await pair.startController();
    const metricsUrl = `http://${pair.prepared.config.listen.metrics}/metrics`;
    const scraping = setInterval(() => void scrapeText(metricsUrl), SCRAPE_EVERY_MS);
    const ours = await load(controller, windowMs).finally(() => clearInterval(scraping));
    const scrapes: Scrape[] = [];
    for (let i = 0; i < (context.quick ? 4 : 12); i += 1)
      scrapes.push(await scrape(controller, metricsUrl));
    return rows(agents, ours, limit, scrapes);
  } finally {
    await pair.stop();
  }
}

async function load({ server, agents }: Served, windowMs: number): Promise<Load> {
  await agents.call('reportEvery', REPORT_EVERY_MS);
  await sleep(2 * REPORT_EVERY_MS + 500); // every agent has sent its first, large report and one more
  await agents.call('take');
  const before = await server.call<ServerFigures>('figures', 0);
  await sleep(windowMs);
  const { answered, latenciesMs, lost } = await agents.call<ClientFigures>('take');
  const after = await server.call<ServerFigures>('figures', answered);
  return {
    cost: costBetween(before, after),
    rssBytes: after.rssBytes,
    p99Ms: quantile(latenciesMs, 0.99),
    lost,
    heapBytes: after.heapBytes,
    externalBytes: after.externalBytes,
  };
}

const scrapeText = async (url: string): Promise<string> =>
  fetch(url)
    .then((response) => response.text())
    .catch(() => '');

async function scrape({ server }: Served, url: string): Promise<Scrape> {
  await server.call('takeLoopDelay');
  const began = performance.now();
  const text = await scrapeText(url);
  const tookMs = performance.now() - began;
  const heldMs = await server.call<number>('takeLoopDelay');
  await sleep(tookMs);
  const restHeldMs = await server.call<number>('takeLoopDelay');
  await sleep(500);
  return { tookMs, heldMs, restHeldMs, bytes: text.length };
}

function rows(agents: number, ours: Load, limit: Load, scrapes: readonly Scrape[]): readonly Row[] {
  const percent = (share: number): string => `${(share * 100).toFixed(1)} % of a core`;
  const of = (key: keyof Scrape, share = 0.5): number =>
    quantile(
      scrapes.map((one) => one[key]),
      share,
    );
  const lost = ours.lost === 0 ? '' : ` (${ours.lost} lost on this busy machine)`;
  const what = `controller with ${agents} agents${lost}, ${MEMBERS_EACH} members each, one report per 5 s`;
  const memory = (one: Load): string =>
    `${mb(one.rssBytes)} (heap ${mb(one.heapBytes)}, buffers ${mb(one.externalBytes)})`;
  return [
    {
      what: `${what}: memory`,
      goal: '≤ 200 MB RSS',
      measured: memory(ours),
      yardstick: `raw http2 with as many connections: ${memory(limit)}`,
      ratio: `× ${(ours.rssBytes / limit.rssBytes).toFixed(2)}`,
      met: ours.rssBytes <= 200e6,
    },
    {
      what: 'the same: processor time, scrapes included',
      goal: '≤ 8 % of a core',
      measured: `${percent(ours.cost.coreShare)} (${ours.cost.usPerMessage.toFixed(0)} µs per report, p99 ${ms(ours.p99Ms)})`,
      yardstick: `raw http2: ${percent(limit.cost.coreShare)} (${limit.cost.usPerMessage.toFixed(0)} µs, p99 ${ms(limit.p99Ms)})`,
      ratio: `× ${(ours.cost.coreShare / limit.cost.coreShare).toFixed(2)}`,
      met: ours.cost.coreShare <= 0.08,
    },
    {
      what: `the same: a scrape of /metrics (${(of('bytes') / 1e6).toFixed(1)} MB)`,
      goal: '≤ 150 ms',
      measured: `median ${ms(of('tookMs'))}, worst ${ms(of('tookMs', 1))}`,
      yardstick: '–',
      ratio: '–',
      met: of('tookMs') <= 150,
    },
    {
      what: 'the same: how long that scrape holds the loop up',
      goal: '≤ 20 ms',
      measured: `median ${ms(of('heldMs'))}, worst ${ms(of('heldMs', 1))}`,
      yardstick: `as long without a scrape: median ${ms(of('restHeldMs'))}, worst ${ms(of('restHeldMs', 1))}`,
      ratio: `× ${(of('heldMs') / of('restHeldMs')).toFixed(1)}`,
      met: of('heldMs', 1) <= 20,
    },
  ];
}
