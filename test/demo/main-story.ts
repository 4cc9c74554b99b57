// The demo's first half: enrol, check, deploy, write, back up, update leafs first, promote.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Backup, FindingView, Operation } from '@leafward/shared/gen/domain.js';
import { clip } from '@leafward/controller/cli/render/text.js';
import { cortexManifest, storageOf, type CortexMember } from '../fleet/cortex-manifest.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { watchVersions } from '../fleet/watch-versions.js';
import { missingFrom, startWriter, type Writer } from '../fleet/writer.js';
import { buildCellImage } from '../standin/build-cell-image.js';
import type { DemoContext } from './context.js';
import type { DemoReport } from './report.js';

export interface DemoFleet {
  readonly local: LocalFleet;
  readonly members: readonly CortexMember[];
  readonly storages: Readonly<Record<string, string>>;
  readonly writer: Writer;
}

const OLD = '2.170.0';
const NEW = '2.180.0';
const NOTE_COLUMNS = 100;
/** For whoever goes on by hand. */
export const NEWEST = '2.190.0';

export async function showMainJob(
  context: DemoContext,
  report: { updateOrder: readonly string[] },
): Promise<DemoFleet> {
  const { dir, step, say } = context;
  const images = await step('build the images of a stand-in Cortex', async () => ({
    old: await buildCellImage({ version: OLD, outDir: join(dir, 'images') }),
    new: await buildCellImage({ version: NEW, outDir: join(dir, 'images') }),
    newest: await buildCellImage({ version: NEWEST, outDir: join(dir, 'images') }),
  }));
  const local = await step(
    'start a controller, enrol an operator and three hosts with one-time URLs',
    (note) => enrol(context, note),
  );
  await step('check this very machine', (note) => check(local, note));
  const members = membersOf(context);
  const storages = Object.fromEntries(members.map((m) => [m.name, storageOf(dir, m)]));
  await step('deploy the tree', async (note) => {
    const path = join(dir, 'fleet.yaml');
    await writeFile(path, cortexManifest({ dir, image: images.old, members }));
    await local.carryOut(['deploy', path]);
    const again = await local.plan(['deploy', path]);
    if (again.moves.length > 0)
      throw new Error('a second deploy of the same manifest is not empty');
    note('a second plan of the same manifest has nothing to do');
  });
  say(await shown(local, ['status']));
  const writer = startWriter({ members: storages, everyMs: 5 });
  context.cleanups.push(() => writer.stop());
  await writer.untilNextWrite(10_000);
  const fleet = { local, members, storages, writer };
  const backup = await step('take a live backup of a caught-up mirror', (note) =>
    backUp(fleet, note),
  );
  await step('boot a copy of it without a network and ask it what it is', (note) =>
    drill(fleet, backup, note),
  );
  const operation = await step(`update ${OLD} → ${NEW}, leafs first, through a migration`, (note) =>
    update(fleet, images.new, report, note),
  );
  say(await shown(local, ['operation', 'show', operation.id]));
  await step('promote 01.cortex gracefully', (note) => promote(fleet, note));
  return fleet;
}

function membersOf({ ports }: DemoContext): readonly CortexMember[] {
  const [a = 0, b = 0, c = 0, d = 0] = ports;
  return [
    { name: '00.cortex', host: 'alpha', port: a },
    { name: '01.cortex', host: 'bravo', upstream: '00.cortex', port: b },
    { name: '02.cortex', host: 'charlie', upstream: '01.cortex', port: c },
    { name: '03.cortex', host: 'charlie', upstream: '00.cortex', port: d },
  ];
}

async function enrol(context: DemoContext, note: (text: string) => void): Promise<LocalFleet> {
  const local = await startLocalFleet({ dir: context.dir, hosts: ['alpha', 'bravo', 'charlie'] });
  context.cleanups.push(() => local.stop());
  note(`metrics: http://127.0.0.1:${local.metricsPort}/metrics`);
  return local;
}

async function check(local: LocalFleet, note: (text: string) => void): Promise<void> {
  const { findings } = await local.cliJson<{ readonly findings: readonly FindingView[] }>([
    'host',
    'check',
    'alpha',
    '--refresh',
  ]);
  const bySeverity = new Map<string, number>();
  for (const { finding } of findings)
    bySeverity.set(finding.severity, (bySeverity.get(finding.severity) ?? 0) + 1);
  if (findings.length === 0) throw new Error('no check answered');
  note([...bySeverity].map(([severity, count]) => `${count} ${severity}`).join(', '));
  for (const { finding } of findings)
    if (finding.severity !== 'ok')
      note(clip(`${finding.check}: ${finding.seen}, wanted ${finding.wanted}`, NOTE_COLUMNS));
}

async function backUp({ local }: DemoFleet, note: (text: string) => void): Promise<Backup> {
  await local.cli(['backup', 'run', 'cortex']);
  const backups = await local.cliJson<readonly Backup[]>(['backup', 'list']);
  const [backup] = backups;
  if (backup === undefined) throw new Error('there is no backup in the list');
  note(
    `${backup.name} of ${backup.member}: ${backup.files} files, ${backup.sizeBytes} bytes, position ${backup.position ?? '?'}, manifest sha256 ${backup.manifestSha256.slice(0, 12)}…`,
  );
  return backup;
}

/** A machine that keeps no user from the network refuses it; nothing is booted there. */
async function drill(
  { local }: DemoFleet,
  { name }: Backup,
  note: (text: string) => void,
): Promise<void> {
  const { code, stdout, stderr } = await local.cli(['backup', 'drill', name, '-o', 'json'], [0, 3]);
  if (code === 3) return note(clip(`left out: ${stderr.trim()}`, NOTE_COLUMNS));
  const { backup } = JSON.parse(stdout) as { readonly backup: Backup };
  const { ok, tookMs, version, position } = backup.drill ?? {};
  if (ok !== true || tookMs === undefined) throw new Error(`${name} is not proven`);
  note(
    `proven: restored in ${(tookMs / 1000).toFixed(1)} s, version ${version ?? '?'}, position ${position ?? '?'}`,
  );
}

async function update(
  fleet: DemoFleet,
  image: string,
  report: { updateOrder: readonly string[] },
  note: (text: string) => void,
): Promise<Operation> {
  const versions = watchVersions(fleet.storages);
  let operation: Operation;
  try {
    operation = await fleet.local.carryOut(['update', 'cortex', '--image', image]);
  } finally {
    await versions.stop();
  }
  report.updateOrder = versions.order(NEW);
  note(`seen with ${NEW}, in this order: ${report.updateOrder.join(', ')}`);
  const depth = new Map([
    ['02.cortex', 2],
    ['01.cortex', 1],
    ['03.cortex', 1],
    ['00.cortex', 0],
  ]);
  const depths = report.updateOrder.map((member) => depth.get(member) ?? -1);
  const isLeafsFirst =
    depths.length === 4 && depths.every((d, i) => i === 0 || d <= (depths[i - 1] ?? d));
  if (!isLeafsFirst) throw new Error(`not leafs first: ${report.updateOrder.join(', ')}`);
  return operation;
}

async function promote(fleet: DemoFleet, note: (text: string) => void): Promise<void> {
  const { writer } = fleet;
  const since = Date.now();
  await fleet.local.carryOut(['promote', 'cortex', '--to', '01.cortex']);
  const next = await writer.untilNextWrite(10_000);
  if (next.member !== '01.cortex') throw new Error(`writes go to ${next.member}, not to 01.cortex`);
  note(`longest time without an acknowledged write: ${writer.longestGapMs(since)} ms`);
  const acknowledged = [...writer.acknowledged()];
  const missing = await missingFrom(fleet.storages['01.cortex'] ?? '', acknowledged);
  if (missing.length > 0) throw new Error(`${missing.length} acknowledged writes are missing`);
  note(`all ${acknowledged.length} acknowledged writes are there`);
}

/** A command as an operator types it, and what it prints. */
export async function shown(local: LocalFleet, args: readonly string[]): Promise<string> {
  const { stdout } = await local.cli(args);
  const lines = [`$ leafward ${args.join(' ')}`, ...stdout.trimEnd().split('\n')];
  return lines.map((line) => (line === '' ? '' : `    ${line}`)).join('\n') + '\n';
}

export type { DemoReport };
