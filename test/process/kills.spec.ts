// kill -9 of the controller, of an agent and of a member at every move of an update and of a failover: it resumes by
// itself, and what must never happen does not.
import { expect } from 'chai';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Operation } from '@leafward/shared/gen/domain.js';
import { cortexManifest, storageOf, type CortexMember } from '../fleet/cortex-manifest.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { killProcessesOn, processesOn } from '../fleet/processes.js';
import { eventually, freePorts } from '../fleet/programs.js';
import { watchInvariants } from '../fleet/watch-invariants.js';
import { missingFrom, startWriter, type Writer } from '../fleet/writer.js';
import { buildCellImage } from '../standin/build-cell-image.js';

const ENDS_MS = 120_000; // several fleets run at once on a small machine

interface Tree {
  readonly dir: string;
  readonly fleet: LocalFleet;
  readonly members: readonly CortexMember[];
  readonly storages: Readonly<Record<string, string>>;
  readonly writer: Writer;
}

async function deployTree(version: string): Promise<Tree> {
  const dir = await mkdtemp(join(tmpdir(), 'leafward-'));
  const [a = 0, b = 0, c = 0] = await freePorts(3);
  const members: readonly CortexMember[] = [
    { name: '00.cortex', host: 'alpha', port: a },
    { name: '01.cortex', host: 'bravo', upstream: '00.cortex', port: b },
    { name: '02.cortex', host: 'charlie', upstream: '00.cortex', port: c },
  ];
  const fleet = await startLocalFleet({ dir, hosts: ['alpha', 'bravo', 'charlie'] });
  const storages = Object.fromEntries(members.map((m) => [m.name, storageOf(dir, m)]));
  const image = await buildCellImage({ version, outDir: join(dir, 'images') });
  const path = join(dir, 'fleet.yaml');
  const environment = { SYN_CELL_START_MS: '50', SYN_CELL_MIGRATE_MS: '200' };
  await writeFile(path, cortexManifest({ dir, image, members, environment }));
  await fleet.carryOut(['deploy', path]);
  const writer = startWriter({ members: storages, everyMs: 10 });
  await writer.untilNextWrite(10_000);
  return { dir, fleet, members, storages, writer };
}

async function endTree(tree: Tree): Promise<void> {
  await tree.writer.stop();
  await tree.fleet.stop();
  for (const storage of Object.values(tree.storages)) await killProcessesOn(storage);
  await rm(tree.dir, { recursive: true, force: true });
}

/** Applies a plan and calls `strike` once, as soon as the move with this index has begun. */
async function strikeAt(
  tree: Tree,
  planArgs: readonly string[],
  index: number,
  strike: (operation: Operation) => Promise<void>,
): Promise<Operation> {
  const { fleet } = tree;
  const plan = await fleet.plan(planArgs);
  const { id } = await fleet.cliJson<Operation>(['apply', plan.id, '--no-watch', '--yes']);
  const begun = await eventually(
    `move ${index + 1} of ${id} has begun`,
    ENDS_MS,
    async () => {
      const operation = await fleet.operation(id);
      return operation.progress[index]?.state !== 'pending' && operation;
    },
    20,
  );
  await strike(begun);
  return eventually(
    `operation ${id} ends after the blow at move ${index + 1}`,
    ENDS_MS,
    async () => {
      const operation = await fleet.operation(id);
      if (operation.state === 'paused') {
        // It waits with a reason: an operator who has read it resumes.
        expect(operation.reason ?? '').to.not.equal('');
        await fleet.cli(['operation', 'resume', id]);
      }
      return operation.state === 'done' ? operation : undefined;
    },
  );
}

async function killController({ fleet }: Tree): Promise<void> {
  fleet.controller().signal('SIGKILL');
  await fleet.controller().ended;
  await fleet.startController();
}
async function killAgent({ fleet }: Tree, host: string): Promise<void> {
  fleet.agent(host)?.signal('SIGKILL');
  await fleet.agent(host)?.ended;
  await fleet.startAgent(host);
}

type Blow = (tree: Tree, operation: Operation, index: number) => Promise<void>;

/** Four updates of one tree, each with one blow, each at another move. */
async function updatesUnderBlows(blow: Blow): Promise<void> {
  const tree = await deployTree('2.170.0');
  try {
    const moves = 4; // pull, two mirrors, the leader
    for (let index = 0; index < moves; index += 1) await updateUnderBlow(tree, index, blow);
  } finally {
    await endTree(tree);
  }
}

async function updateUnderBlow(tree: Tree, index: number, blow: Blow): Promise<void> {
  await tree.fleet.cli(['backup', 'run', 'cortex']);
  const version = `2.${171 + index}.0`;
  const image = await buildCellImage({ version, outDir: join(tree.dir, 'images') });
  const watch = watchInvariants(tree.storages, {
    '01.cortex': '00.cortex',
    '02.cortex': '00.cortex',
  });
  const operation = await strikeAt(tree, ['update', 'cortex', '--image', image], index, (begun) =>
    blow(tree, begun, index),
  );
  await watch.stop();
  expect(watch.violations()).to.deep.equal([]);
  expect(operation.moves.map((move) => move.kind)).to.deep.equal([
    'pull',
    'recreate',
    'recreate',
    'recreate',
  ]);
  await tree.writer.untilNextWrite(20_000);
  const acknowledged = [...tree.writer.acknowledged()];
  expect(await missingFrom(tree.storages['00.cortex'] ?? '', acknowledged)).to.deep.equal([]);
}

const blows: Readonly<Record<string, Blow>> = {
  'the controller': (tree) => killController(tree),
  'the agent of the member that is updated': async (tree, operation, index) => {
    const move = operation.moves[index];
    await killAgent(tree, move?.kind === 'recreate' ? move.host : 'alpha');
  },
  'the member that is updated': async (tree, operation, index) => {
    const move = operation.moves[index];
    const member = move?.kind === 'recreate' ? move.member : '01.cortex';
    await killProcessesOn(tree.storages[member] ?? '');
  },
};

/** The leader's host dies; while the failover is at this move the controller and an agent die too. */
async function failoverUnderBlow(index: number, kinds: readonly string[]): Promise<void> {
  const tree = await deployTree('2.180.0');
  try {
    const old = tree.storages['00.cortex'] ?? '';
    tree.fleet.agent('alpha')?.signal('SIGKILL');
    await killProcessesOn(old);
    await eventually('the controller has noticed', 90_000, async () =>
      (await tree.fleet.status()).hosts.some((h) => h.host === 'alpha' && !h.connected),
    );
    const acknowledged = [...tree.writer.acknowledged()];
    const watch = watchInvariants(tree.storages);
    const args = ['failover', 'cortex', '--leader-is-off', 'killed by the test'];
    const operation = await strikeAt(tree, args, index, async () => {
      await killAgent(tree, 'bravo');
      await killController(tree);
    });
    expect(operation.moves.map((move) => move.kind)).to.deep.equal(kinds);
    const leader = operation.chosen ?? '';
    expect(leader).to.be.oneOf(['01.cortex', '02.cortex']);
    await tree.writer.untilNextWrite(20_000);
    await tree.fleet.startAgent('alpha');
    await eventually('the old host is shown with its retired member', 90_000, async () => {
      const members = (await tree.fleet.status()).services[0]?.members ?? [];
      return members.find((member) => member.member === '00.cortex')?.state === 'retired';
    });
    expect(await processesOn(old)).to.deep.equal([]);
    await watch.stop();
    expect(watch.violations()).to.deep.equal([]);
    const missing = await missingFrom(tree.storages[leader] ?? '', acknowledged);
    const kept = acknowledged.filter((write) => !missing.includes(write)).map((w) => w.offset);
    expect(missing.filter((write) => write.offset < Math.max(...kept))).to.deep.equal([]);
  } finally {
    await endTree(tree);
  }
}

/** Starts everything at once; each test waits for its own. */
function atOnce(cases: Readonly<Record<string, () => Promise<void>>>): void {
  const running = new Map<string, Promise<Error | undefined>>();
  before(() => {
    for (const [name, act] of Object.entries(cases))
      running.set(
        name,
        act().then(
          () => undefined,
          (error: unknown) => error as Error,
        ),
      );
  });
  for (const name of Object.keys(cases))
    it(name, async () => {
      const error = await running.get(name);
      if (error !== undefined) throw error;
    });
}

describe('kill -9 at every move of an update: it ends, leafs first, and nothing acknowledged is lost', function () {
  this.timeout(400_000);
  atOnce(
    Object.fromEntries(
      Object.entries(blows).map(([victim, blow]) => [victim, () => updatesUnderBlows(blow)]),
    ),
  );
});

describe('kill -9 at every move of a failover: one leader is left, and the old one stays down', function () {
  this.timeout(400_000);
  const kinds = ['fence', 'choose', 'force-promote', 'repoint'] as const;
  atOnce(
    Object.fromEntries(
      kinds.map((kind, index) => [
        `the controller and an agent at ${kind}`,
        () => failoverUnderBlow(index, kinds),
      ]),
    ),
  );
});
