// The main job on a database that nobody here wrote, through a real controller and real agents: deploy, look, back
// up, go back, update leafs first, hand over, fail over, refuse the old leader, fill it anew. Each obligation stands
// on the one before it. The figures are the writer's: what it was told to be safe, and what is there.
import { expect } from 'chai';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Backup, Drill, Operation } from '@leafward/shared/gen/domain.js';
import { eventually } from '../fleet/programs.js';
import type { Acknowledged, Writer } from '../fleet/writing.js';
import { missingAt, type Database } from './database.js';
import { NEW, OLD, startLocalDatabase, tree, type LocalDatabase } from './local-database.js';
import { requireDatabases } from './requirements.js';
import { processesIn } from './servers.js';

/** Longer than an agent takes from its start to starting a member that it may start (measured: under 1 s). */
const WATCHED_MS = 3000;
const PATIENCE_MS = 60_000;

export function describeMainJob(database: Database): void {
  describe(`the main job on ${database.kind}, as processes`, function () {
    this.timeout(300_000);
    let local: LocalDatabase;
    let writer: Writer | undefined;
    let isBroken = false;
    const figures: string[] = [];
    before(async function () {
      requireDatabases(this, database.kind);
      local = await startLocalDatabase(database);
    });
    beforeEach(function () {
      if (isBroken) this.skip(); // what comes after a failure has nothing to stand on
    });
    afterEach(async function () {
      if (this.currentTest?.state !== 'failed') return;
      isBroken = true;
      await sayWhatIsThere(local);
    });
    after(async () => {
      await writer?.stop();
      await local?.stop();
      for (const figure of figures) console.log(`      ${database.kind}: ${figure}`);
    });

    const running = (): Writer => {
      if (writer === undefined) throw new Error('nobody writes');
      return writer;
    };
    const missing = (member: string, acknowledged: readonly Acknowledged[]) =>
      missingAt(database, local.server(member), { password: local.password, acknowledged });
    const leader = (): Promise<string> => local.untilWhole([], PATIENCE_MS);

    it('deploys a tree of four: a leader, two mirrors and a mirror of a mirror', async () => {
      await local.carryOut(['deploy', local.manifest]);
      expect(await leader()).to.equal('00.db');
      const views = await local.members();
      expect(views.map(({ member, upstream }) => [member, upstream])).to.deep.equal(
        Object.entries(tree).map(([member, { upstream }]) => [member, upstream]),
      );
      for (const { member, version, ready } of views)
        expect({ member, version, ready }).to.deep.equal({ member, version: OLD, ready: true });
      expect((await local.fleet.plan(['deploy', local.manifest])).moves).to.deep.equal([]);
    });

    it('shows what every command answers, and no secret', async () => {
      for (const member of ['00.db', '02.db']) {
        const { stdout } = await local.fleet.cli([
          ...['engine', 'test', local.manifest, '--member', member],
        ]);
        expect(stdout)
          .to.match(/position/)
          .and.to.match(/ready/);
        expect(stdout).to.not.include('staple');
      }
    });

    it('takes commits, and its mirrors follow', async () => {
      writer = local.startWriter();
      expect((await writer.untilNextWrite(PATIENCE_MS)).member).to.equal('00.db');
      await eventually(
        'twenty commits',
        PATIENCE_MS,
        async () => running().acknowledged().length > 20,
      );
      const before = [...running().acknowledged()];
      await eventually(
        'the mirror of a mirror has them',
        PATIENCE_MS,
        async () => (await missing('02.db', before)).length === 0,
      );
    });

    it('takes a verified backup of a mirror while commits go on', async () => {
      await local.carryOut(['backup', 'db']);
      const [backup] = await local.fleet.cliJson<readonly Backup[]>(['backup', 'list']);
      expect(backup?.member).to.not.equal('00.db');
      expect(backup?.files).to.be.greaterThan(0);
      expect(backup?.position).to.be.greaterThan(0);
    });

    it('proves the backup by booting a copy of it, under the noses of those who live', async () => {
      const [backup] = await local.fleet.cliJson<readonly Backup[]>(['backup', 'list']);
      const { stdout } = await local.fleet.cli(
        ['backup', 'drill', backup?.name ?? '', '-o', 'json'],
        [0, 1],
      );
      const { drill } = JSON.parse(stdout) as { readonly drill: Drill };
      expect(drill.problems).to.deep.equal([]);
      expect(drill.ok).to.equal(true);
      // Redis counts anew from each start.
      if (database.kind === 'postgresql')
        expect(drill.position).to.be.at.least(backup?.position ?? Infinity);
      figures.push(`a copy of a backup was up after ${drill.tookMs} ms`);
      await running().untilNextWrite(PATIENCE_MS);
      expect(await leader()).to.equal('00.db');
    });

    it('goes back to the backup: what came after it is gone, and the others are filled anew', async () => {
      const [backup] = await local.fleet.cliJson<readonly Backup[]>(['backup', 'list']);
      const early = running().acknowledged()[0];
      const late = await running().untilNextWrite(PATIENCE_MS);
      await running().stop();
      await local.carryOut(['restore', 'db', '--backup', backup?.name ?? '']);
      const name = await leader();
      expect(name).to.equal(backup?.member);
      const values = (
        await missing(
          name,
          [early, late].filter((one) => one !== undefined),
        )
      ).map(({ value }) => value);
      expect(values).to.deep.equal([late.value]);
      writer = local.startWriter('restored');
      const next = await writer.untilNextWrite(PATIENCE_MS);
      expect(next.member).to.equal(name);
      await eventually('everybody follows the restored one', PATIENCE_MS, async () => {
        const all = await Promise.all(local.servers.map(({ member }) => missing(member, [next])));
        return all.flat().length === 0;
      });
    });

    it('is updated leafs first, the leader last', async () => {
      const depths = new Map((await local.members()).map((one) => [one.member, one.depth]));
      const order: string[] = [];
      const watching = new AbortController();
      const watch = (async () => {
        while (!watching.signal.aborted) {
          for (const { member, version } of await local.members())
            if (version === NEW && !order.includes(member)) order.push(member);
          await delay(50);
        }
      })();
      await local.carryOut(['update', 'db', '--image', await local.image(NEW)]);
      watching.abort();
      await watch;
      await leader();
      for (const { member, version } of await local.members())
        expect({ member, version }).to.deep.equal({ member, version: NEW });
      const seen = order.map((member) => depths.get(member) ?? 0);
      expect(seen).to.deep.equal([...seen].sort((a, b) => b - a));
    });

    it('hands leadership over without a commit lost', async () => {
      const from = await leader();
      const to = (await local.members()).find((one) => one.upstream === from)?.member ?? '';
      await running().untilNextWrite(PATIENCE_MS);
      const since = Date.now();
      await local.carryOut(['promote', 'db', '--to', to]);
      await eventually('commits go to the new leader', PATIENCE_MS, async () => {
        return (await running().untilNextWrite(PATIENCE_MS)).member === to;
      });
      figures.push(`a promotion paused commits for ${running().longestGapMs(since)} ms`);
      expect(await local.untilWhole([], PATIENCE_MS)).to.equal(to);
      const acknowledged = [...running().acknowledged()];
      expect(await missing(to, acknowledged)).to.deep.equal([]);
      await eventually('the old leader follows', PATIENCE_MS, async () => {
        return (await missing(from, acknowledged)).length === 0;
      });
      figures.push(`a promotion lost 0 of ${acknowledged.length} acknowledged commits`);
    });

    let retired = '';
    it('fails over when the leader’s host is cut off: what is lost is the lag that was shown', async () => {
      retired = await leader();
      const views = await local.members();
      const mirrors = views.filter(({ upstream }) => upstream === retired);
      const release = await database.holdBack(
        local.server(retired),
        mirrors.map(({ member }) => local.server(member)),
        local.password,
      );
      await running().untilNextWrite(PATIENCE_MS);
      const unsent = running().acknowledged().length + 20;
      await eventually(
        'twenty more',
        PATIENCE_MS,
        async () => running().acknowledged().length > unsent,
      );
      await running().stop();
      const acknowledged = [...running().acknowledged()];
      const last = acknowledged.at(-1)?.offset ?? 0;
      await eventually('the leader has told of all of them', PATIENCE_MS, async () => {
        return ((await local.member(retired)).position ?? 0) >= last;
      });
      const host = views.find(({ member }) => member === retired)?.host ?? '';
      await local.cutPower(host);
      const cutAt = Date.now();
      await release();
      await eventually('the controller has noticed', PATIENCE_MS, async () =>
        (await local.fleet.status()).hosts.some((one) => one.host === host && !one.connected),
      );
      const order = ['failover', 'db', '--leader-is-off', 'its power was cut'];
      const plan = await local.fleet.plan(order);
      const lag = Number(/(\d+) offsets behind/.exec(plan.warnings.join('\n'))?.[1]);
      writer = local.startWriter('after');
      const operation = await local.carryOut(order);
      const next = await writer.untilNextWrite(PATIENCE_MS);
      figures.push(`commits went on ${next.at - cutAt} ms after the power was cut`);
      const chosen = operation.chosen ?? '';
      expect(next.member).to.equal(chosen);
      const position = positionOf(operation);
      const lost = await missing(chosen, acknowledged);
      // Offsets of an earlier leader, or of one that was restarted, may be of another count.
      const ofLast = acknowledged.filter(({ member }) => member === retired);
      expect(lost.map(({ value }) => value)).to.deep.equal(
        ofLast.filter(({ offset }) => offset > position).map(({ value }) => value),
      );
      expect(lost.length).to.be.greaterThan(0);
      expect(((await local.member(retired)).position ?? 0) - position, 'lag').to.equal(lag);
      expect(Math.max(...lost.map(({ offset }) => offset))).to.be.at.most(position + lag);
      figures.push(
        `a failover lost ${lost.length} of ${acknowledged.length} acknowledged commits: they were past position ` +
          `${position}, the newest that any mirror had; lag shown before: ${lag} (asynchronous replication)`,
      );
      await local.untilWhole([retired], PATIENCE_MS);
    });

    it('refuses the old leader when its host comes back', async () => {
      const { host } = await local.member(retired);
      await local.fleet.startAgent(host);
      await eventually('status says retired', PATIENCE_MS, async () => {
        return (await local.member(retired)).state === 'retired';
      });
      const { storage } = local.server(retired);
      await eventually('its storage says retired', PATIENCE_MS, async () => {
        return (await readFile(join(storage, '.leafward.json'), 'utf8')).includes('retired');
      });
      await delay(WATCHED_MS); // what never happens cannot be waited for
      expect(await processesIn(storage)).to.deep.equal([]);
      expect((await local.member(retired)).startsSinceRetired).to.equal(0);
    });

    it('fills it anew: it comes back as a mirror, what only it had is set aside', async () => {
      const { storage } = local.server(retired);
      await local.carryOut(['reseed', 'db', retired]);
      const now = await leader();
      expect(now).to.not.equal(retired);
      const next = await running().untilNextWrite(PATIENCE_MS);
      await eventually('it follows', PATIENCE_MS, async () => {
        return (await missing(retired, [next])).length === 0;
      });
      const aside = (await readdir(dirname(storage))).filter((name) =>
        name.startsWith(`${retired}.aside-`),
      );
      expect(aside.length).to.be.at.least(1);
      const acknowledged = running()
        .acknowledged()
        .filter(({ value }) => value.startsWith('after'));
      expect(await missing(now, acknowledged)).to.deep.equal([]);
    });
  });
}

/** Of the chosen one, seen after the fence. */
function positionOf({ chosenBecause }: Operation): number {
  const found = /at position (\d+)/.exec(chosenBecause ?? '')?.[1];
  if (found === undefined) throw new Error(`no position in: ${chosenBecause ?? ''}`);
  return Number(found);
}

const SHOWN_LINES = 25;

async function sayWhatIsThere(local: LocalDatabase | undefined): Promise<void> {
  if (local === undefined) return;
  const logs = join(local.dir, 'logs');
  console.log((await local.fleet.cli(['status'], [0, 1])).stdout);
  for (const { member } of local.servers)
    console.log((await local.fleet.cli(['why', member], [0, 1])).stdout);
  for (const name of existsSync(logs) ? await readdir(logs) : []) {
    const lines = (await readFile(join(logs, name), 'utf8')).trim().split('\n');
    console.log(`── ${name}\n${lines.slice(-SHOWN_LINES).join('\n').slice(-6000)}`);
  }
}
