// Behaves like the two tools that bring a Cortex from 0.1.x to 0.2.x, towards whoever runs them:
//   migrate --src BACKUP --dest STORAGE [--from-last]      sync STATE --src CORTEX --dest URL --offsfile FILE
// An old Cortex is here a directory with one node a line in layers/IDEN/layer.lmdb/data; a node "bad=…" has an error.
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { messageOf } from '@leafward/shared/errors.js';
import { newIden, writeIden } from './cell-files.js';
import { Cell } from './cell.js';
import { connectCell } from './client.js';
import { LogStore } from './log-store.js';
import { pack } from './pack.js';

const BATCH = 10;
const POLL_MS = 100;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    src: { type: 'string', default: '' },
    dest: { type: 'string', default: '' },
    'from-last': { type: 'boolean', default: false },
    offsfile: { type: 'string', default: '' },
  },
});

const nodesOf = (cortex: string): readonly string[] =>
  readdirSync(join(cortex, 'layers'))
    .sort()
    .flatMap((iden) =>
      readFileSync(join(cortex, 'layers', iden, 'layer.lmdb', 'data'), 'utf8').split('\n'),
    )
    .filter((line) => line !== '');

async function migrate(): Promise<void> {
  const { src, dest } = values;
  const state = join(dest, 'migration');
  if (!values['from-last']) rmSync(state, { recursive: true, force: true });
  mkdirSync(state, { recursive: true });
  const nodes = nodesOf(src);
  const done = batchesIn(state).length;
  if (done > 0) process.stdout.write(`restarting from checkpoint ${done * BATCH}\n`);
  for (let batch = done; batch * BATCH < nodes.length; batch += 1) {
    const part = nodes.slice(batch * BATCH, (batch + 1) * BATCH);
    for (const node of part.filter((one) => one.startsWith('bad=')))
      process.stderr.write(`Normed form val does not match inbound ${node}\n`);
    replace(join(state, `batch-${String(batch).padStart(6, '0')}`), part.join('\n'));
    process.stdout.write(`migrated ${batch * BATCH + part.length} of ${nodes.length} nodes\n`);
    await delay(Number(process.env['MIGRATE_020_BATCH_MS'] ?? 0));
  }
  const kept = batchesIn(state)
    .flatMap((name) => readFileSync(join(state, name), 'utf8').split('\n'))
    .filter((node) => !node.startsWith('bad='));
  const iden = newIden();
  rmSync(Cell.logDirectory(dest), { recursive: true, force: true });
  const log = LogStore.open(Cell.logDirectory(dest));
  for (const node of kept)
    await log.append((at) => pack([at, [iden, 'test:write', [node], {}, {}]]));
  await log.close();
  writeFileSync(join(dest, 'cell.yaml'), '{}\n');
  replace(join(state, 'lyroffs.yaml'), `next: ${nodes.length}\n`);
  writeIden(dest, iden);
}

const batchesIn = (state: string): readonly string[] =>
  readdirSync(state)
    .filter((name) => name.startsWith('batch-'))
    .filter((name) => !name.endsWith('.tmp'))
    .sort();

async function sync(): Promise<void> {
  const { src, dest, offsfile } = values;
  const cell = await connectCell({ url: dest });
  let hasSaid = false;
  for (;;) {
    const next = Number(/next: (\d+)/.exec(readFileSync(offsfile, 'utf8'))?.[1] ?? 0);
    const [node] = nodesOf(src).slice(next);
    if (node !== undefined) {
      await cell.write(node);
      replace(offsfile, `next: ${next + 1}\n`);
      continue;
    }
    if (!hasSaid) process.stdout.write(`caught up with the source at ${next}\n`);
    hasSaid = true;
    await delay(POLL_MS);
  }
}

function replace(path: string, text: string): void {
  writeFileSync(`${path}.tmp`, text);
  renameSync(`${path}.tmp`, path);
}

(positionals[0] === 'sync' ? sync() : migrate()).catch((error: unknown) => {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exit(1);
});
