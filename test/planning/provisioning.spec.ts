// New members get their place from AHA right before their first start, names are looked at before, and the alias follows
// the leader after a failover.
import { expect } from 'chai';
import * as fc from 'fast-check';
import { buildStatus, explain } from '@leafward/controller/planning/index.js';
import type { Goal } from '@leafward/shared/gen/domain.js';
import { ahaManifest, AhaWorld, deployedAha, NETWORK } from './aha-world.js';
import { HOSTS } from './model.js';
import { golden, shown } from './text.js';

const deploy: Goal = { kind: 'deploy', manifest: ahaManifest() };
const failover: Goal = { kind: 'failover', service: 'cortex' };

function fresh(): AhaWorld {
  const world = new AhaWorld(HOSTS);
  world.round();
  return world;
}

/** The leader of cortex dies where its agent sees it. */
function leaderless(): AhaWorld {
  const world = deployedAha();
  world.kill('00.cortex');
  const host = world.machine('alpha');
  // Its agent leaves it alone, so that there is time to plan.
  const cell = host.cells.get('00.cortex')!;
  cell.intent = { ...cell.intent, restartAfterMs: 3_600_000 };
  host.intent = {
    ...host.intent!,
    members: host.intent!.members.map((one) =>
      one.member === '00.cortex' ? { ...one, restartAfterMs: 3_600_000 } : one,
    ),
  };
  for (let count = 0; count < 3; count += 1) world.round();
  return world;
}

describe('provisioning', () => {
  it('plans services in the order in which they need each other, each member after its upstream', () => {
    expect(shown(fresh(), deploy)).to.equal(
      golden(`
      plan ID deploy the manifest

      moves
        m1  pull synapse-aha:2.180.0 on alpha  (before anything is stopped)
        m2  place 00.aha on alpha  (new, leads aha)
        m3  pull synapse-axon:2.113.0 on delta  (before anything is stopped)
        m4  place 00.axon on delta  (new, leads axon)
        m5  pull synapse-cortex:2.113.0 on alpha, bravo, charlie  (before anything is stopped)
        m6  place 00.cortex on alpha  (new, leads cortex)
        m7  place 01.cortex on bravo  (new, mirrors 00.cortex)
        m8  place 02.cortex on charlie  (new, mirrors 01.cortex)
    `),
    );
  });

  it('asks AHA for each one with its ports, a mirror of the leader by the alias', () => {
    const world = deployedAha();
    expect(
      world.asked.map(({ member, name, network, mirror, telepathPort, httpsPort }) => [
        member,
        `${name}.${network}`,
        mirror,
        telepathPort,
        httpsPort,
      ]),
    ).to.eql([
      ['00.aha', `00.axon.${NETWORK}`, undefined, undefined, undefined],
      ['00.aha', `00.cortex.${NETWORK}`, undefined, 27500, 4500],
      ['00.aha', `01.cortex.${NETWORK}`, 'cortex', 27501, 4501],
      ['00.aha', `02.cortex.${NETWORK}`, '01.cortex', 27502, 4502],
    ]);
    expect(world.violations).to.eql([]);
  });

  it('deploying the same again does nothing', () => {
    const plan = deployedAha().plan(deploy);
    expect([plan.moves, plan.refusals]).to.eql([[], []]);
  });

  it('a URL that was lost on its way, or used up by a start that was cut short, is followed by another', () => {
    const world = fresh();
    world.losesUrl = true;
    world.interrupted.set('01.cortex', 2);
    const ended = world.apply(deploy);
    expect(ended.state).to.equal('done');
    expect(world.asked.map(({ name }) => name)).to.eql([
      ...['00.axon', '00.axon', '00.cortex'],
      ...['01.cortex', '01.cortex', '01.cortex', '02.cortex'],
    ]);
  });

  it('comes to the same end whatever is lost on the way', () => {
    // Five for one member would be one that is given up, which is a test of its own.
    const fault = fc.constantFrom('none', 'unknown', 'late', 'lost');
    const faults = fc.array(fault, { maxLength: 4 });
    const before = fc.nat({ max: 8 });
    fc.assert(
      fc.property(before, faults, (well, list) => {
        const world = fresh();
        world.faults = [...Array<string>(well).fill('none'), ...list];
        const ended = world.apply(deploy);
        expect(ended.state).to.equal('done');
        expect(world.violations).to.eql([]);
        expect(world.plan(deploy).moves).to.eql([]);
        const starts = world.acts.filter((act) => act.startsWith('start '));
        expect(new Set(starts).size).to.equal(starts.length);
      }),
      { numRuns: 30 },
    );
  });

  it('gives up after five URLs, and goes on when it is told to', () => {
    const world = fresh();
    world.interrupted.set('01.cortex', 5);
    const ended = world.apply(deploy);
    expect([ended.state, ended.reason]).to.eql([
      'paused',
      'm7 failed: 01.cortex was given 5 one-time URLs and has not started for good: look at its log, then resume',
    ]);
  });

  it('refuses a name that somebody else has, in the plan where AHA says it', () => {
    const members = [
      ['00.cortex', 'alpha'],
      ['01.cortex', 'bravo', '00.cortex'],
      ['02.cortex', 'charlie', '01.cortex'],
      ['03.cortex', 'delta', '00.cortex'],
    ] as const;
    const world = deployedAha();
    world.strangers.set(`03.cortex.${NETWORK}`, false);
    world.round();
    const plan = world.plan({ kind: 'deploy', manifest: ahaManifest({ members }) });
    expect(plan.refusals.map(({ code, message }) => [code, message])).to.eql([
      [
        'name-taken',
        `03.cortex.${NETWORK} is taken in aha by a service that is offline: two of one name answer for each other`,
      ],
    ]);
  });

  it('refuses it when the member is placed where AHA could not say it before', () => {
    const world = fresh();
    world.strangers.set(`00.axon.${NETWORK}`, true);
    const ended = world.apply(deploy);
    expect([ended.state, ended.reason]).to.eql([
      'paused',
      'm4 failed: the name is taken; put it right, then resume',
    ]);
    expect(world.acts).to.not.include('start 00.axon 2.113.0');
  });

  it('places again what an operation left without its place', () => {
    const world = fresh();
    const { id } = world.begin(world.plan(deploy));
    while (world.asked.length === 0) world.round();
    // The URL is on its way, and its operation is forgotten.
    world.operations = [];
    world.requests = {};
    for (let count = 0; count < 3; count += 1) world.round();
    const plan = world.plan(deploy);
    expect(id).to.not.equal('');
    expect(
      plan.moves.filter((move) => move.kind === 'place').map((move) => move.cause)[0],
    ).to.equal('new, its first start has not come yet');
    expect(world.apply(deploy).state).to.equal('done');
  });
});

describe('the alias of a leader', () => {
  it('is looked at by the last move of a failover, which restarts AHA where it stays wrong', () => {
    const world = leaderless();
    world.taken.set('cortex', '00.cortex#1');
    const ended = world.apply(failover);
    expect(ended.moves.map(({ kind }) => kind)).to.eql([
      ...['fence', 'choose', 'force-promote', 'repoint', 'realias'],
    ]);
    expect([ended.state, ended.progress.at(-1)?.note]).to.eql([
      'done',
      `00.aha names 01.cortex under cortex.${NETWORK}, after its restart`,
    ]);
    expect(world.acts).to.include('restart 00.aha 00.aha#1');
  });

  it('holds nothing up where AHA went with the host of the old leader', () => {
    const world = deployedAha();
    world.powerOff('alpha');
    world.machine('alpha').connected = false;
    for (let count = 0; count < 3; count += 1) world.round(30_000);
    const ended = world.apply({ ...failover, leaderIsOff: 'no power' });
    expect([ended.state, ended.progress.at(-1)?.note]).to.eql([
      'done',
      '00.aha does not say who is registered: nobody could look; status tells it when it is seen',
    ]);
  });

  it('restarts nobody where the new leader has it', () => {
    const world = leaderless();
    const ended = world.apply(failover);
    expect(ended.progress.at(-1)?.note).to.equal(`00.aha names 01.cortex under cortex.${NETWORK}`);
    expect(world.acts.filter((act) => act.startsWith('restart'))).to.eql([]);
  });

  it('is a problem that status and why tell when a stale leader took it, and a deploy puts it right', () => {
    const world = deployedAha();
    world.taken.set('cortex', '00.cortex#0');
    for (let count = 0; count < 200; count += 1) world.round();
    world.aged = true;
    for (let count = 0; count < 2; count += 1) world.round();
    const problem = `00.aha names nobody that is online under cortex.${NETWORK}, not 00.cortex`;
    const [service] = buildStatus(world.snapshot()).services.filter((s) => s.service === 'cortex');
    expect(service?.problems.join()).to.include(problem);
    expect(explain(world.snapshot(), 'cortex')[0]?.summary).to.include(problem);
    const plan = world.plan(deploy);
    expect(plan.moves.map(({ kind }) => kind)).to.eql(['realias']);
    expect(world.apply(deploy).state).to.equal('done');
    expect(world.plan(deploy).moves).to.eql([]);
  });
});
