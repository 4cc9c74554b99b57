// A lost store is put together from what hosts remember: any subset of them, heard in any order, whatever happened
// before. Never an older term, never a retired leader, nobody told to run who was not.
import { expect } from 'chai';
import fc from 'fast-check';
import type { RebuildState, Snapshot } from '@leafward/controller/snapshot.js';
import {
  applied,
  emptyRebuild,
  rebuilding,
  failTo,
  hear,
  hearInTurn,
  hostOf,
  intentOf,
  memberOn,
  memoryOf,
  newFleet,
  order,
  permitsIn,
  promote,
  SERVICE,
  take,
  type LostFleet,
} from './lost-fleet.js';

// ---- goldens -----------------------------------------------------------------------------------------------------

/** The service as it was rebuilt, what is ordered anew, and what is open. */
function shown({ services, hosts, rebuild }: Snapshot, fleet: LostFleet): string {
  const topology = services[SERVICE]?.topology;
  const tree =
    topology === undefined
      ? []
      : [
          `term ${topology.term}: ${topology.leader} leads`,
          ...Object.entries(topology.upstreams).map(([one, above]) => `${one} follows ${above}`),
          ...topology.retired.map(({ member, term }) => `${member} is retired, term ${term}`),
        ];
  const orders = Object.values(hosts).flatMap(({ name, intent }) =>
    intent === undefined || intent.generation === fleet.hosts[name]?.taken.generation
      ? []
      : intent.members.map(
          ({ member, run, role, term }) => `order ${member}: ${run} ${role} term ${term}`,
        ),
  );
  const open = Object.values(rebuild?.open ?? {}).flatMap((problems) =>
    problems.map(({ code }) => `open: ${code}`),
  );
  return [...tree, ...orders, ...open].join('\n');
}

function rebuilt(
  fleet: LostFleet,
  names: readonly string[] = Object.keys(fleet.hosts),
  state: Partial<RebuildState> = {},
): string {
  const rebuild = { ...emptyRebuild(Object.keys(fleet.hosts)), ...state };
  return shown(hearInTurn(fleet, names, rebuilding(rebuild)).snapshot, fleet);
}

const upHost = (fleet: LostFleet, name: string, isUp: boolean): void => {
  const host = fleet.hosts[name];
  if (host === undefined) return;
  host.isUp = isUp;
  if (isUp) take(host);
};

describe('a lost store', () => {
  it('is as it was where nothing had happened, and nothing is ordered', () => {
    expect(rebuilt(newFleet(3))).to.equal(
      'term 1: 00.cortex leads\n01.cortex follows 00.cortex\n02.cortex follows 00.cortex',
    );
  });

  it('keeps who was promoted and who was retired', () => {
    const fleet = newFleet(3);
    failTo(fleet, '01.cortex', false);
    promote(fleet, '02.cortex');
    expect(rebuilt(fleet)).to.equal(
      `term 3: 02.cortex leads
01.cortex follows 02.cortex
00.cortex is retired, term 2`,
    );
  });

  it('retires a leader that did not hear of the failover, also while it still leads', () => {
    const fleet = newFleet(3);
    upHost(fleet, 'alpha', false);
    failTo(fleet, '01.cortex', true);
    expect(rebuilt(fleet)).to.equal(
      `term 2: 01.cortex leads
02.cortex follows 01.cortex
00.cortex is retired, term 2
order 00.cortex: retired mirror term 2`,
    );
  });

  it('waits for whoever could have led since', () => {
    const fleet = newFleet(3);
    upHost(fleet, 'alpha', false);
    failTo(fleet, '01.cortex', true);
    expect(rebuilt(fleet, ['alpha', 'charlie'])).to.equal('open: hosts-unheard');
    expect(rebuilt(fleet, ['alpha'], { hosts: [] })).to.equal('open: hosts-unknown');
  });

  it('goes on without a host that was given up, and retires it when it is back', () => {
    const fleet = newFleet(3);
    const gone = [{ host: 'charlie', reason: 'burnt down' }];
    const names = ['alpha', 'bravo'];
    expect(rebuilt(fleet, names, { gone })).to.equal(
      'term 1: 00.cortex leads\n01.cortex follows 00.cortex',
    );
    expect(rebuilt(fleet, [...names, 'charlie'], { gone })).to.equal(
      `term 1: 00.cortex leads
01.cortex follows 00.cortex
02.cortex is retired, term 1
order 02.cortex: retired mirror term 1`,
    );
  });

  it('ends the term of a host that was given up and had led since', () => {
    const fleet = newFleet(2);
    upHost(fleet, 'alpha', false);
    failTo(fleet, '01.cortex', false);
    const gone = [{ host: 'bravo', reason: 'burnt down' }];
    expect(rebuilt(fleet, ['alpha'], { gone })).to.equal('term 1: 00.cortex leads');
    expect(rebuilt(fleet, ['alpha', 'bravo'], { gone })).to.equal(
      `term 3: 00.cortex leads
01.cortex is retired, term 3
order 00.cortex: running leader term 3
order 01.cortex: retired mirror term 3`,
    );
  });

  it('takes a hand-over that nobody wrote down from what both members say', () => {
    const fleet = newFleet(2);
    const [alpha, bravo] = [fleet.hosts['alpha'], fleet.hosts['bravo']];
    if (alpha === undefined || bravo === undefined) throw new Error('no such host');
    bravo.promotedAt = 2;
    expect(rebuilt(fleet), 'it had only begun').to.match(/^term 1: 00.cortex leads/);
    bravo.leads = true;
    expect(rebuilt(fleet), 'both lead').to.equal('open: promotion-half');
    alpha.leads = false;
    const url = 'tcp://01.cortex';
    const heard = {
      alpha: {
        ...memoryOf(alpha),
        members: memoryOf(alpha).members.map((fact) => ({
          ...fact,
          engine: { ...fact.engine, upstreamUrl: url },
        })),
      },
      bravo: memoryOf(bravo),
    };
    const snapshot = hear(rebuilding(emptyRebuild(['alpha', 'bravo'])), heard);
    expect(shown(snapshot, fleet)).to.equal(
      `term 2: 01.cortex leads
00.cortex follows 01.cortex
order 00.cortex: running mirror term 2
order 01.cortex: running leader term 2`,
    );
  });

  it('leaves a failover that was fenced and went no further where it was', () => {
    const fleet = newFleet(2);
    order(fleet, 'alpha', {
      ...intentOf(fleet.topology, '00.cortex'),
      run: 'retired',
      term: 2,
    });
    expect(rebuilt(fleet)).to.equal('term 1: 00.cortex leads\n01.cortex follows 00.cortex');
    const { snapshot } = hearInTurn(
      fleet,
      ['bravo', 'alpha'],
      rebuilding(emptyRebuild(['alpha', 'bravo'])),
    );
    expect(permitsIn(snapshot)).to.deep.equal([]);
    expect(snapshot.rebuild?.notes.join()).to.include(
      '00.cortex is fenced and nobody was promoted',
    );
  });

  it('shows what contradicts itself and decides nothing', () => {
    const twice = newFleet(2);
    order(twice, 'bravo', { ...intentOf(twice.topology, '00.cortex'), member: '01.cortex' });
    expect(rebuilt(twice)).to.equal('open: two-leaders');
    const same = newFleet(2);
    order(same, 'bravo', intentOf(same.topology, '00.cortex'));
    expect(rebuilt(same)).to.equal('open: seen-twice');
    const unseen = newFleet(2);
    order(unseen, 'alpha', { ...intentOf(unseen.topology, '00.cortex'), run: 'removed' });
    expect(rebuilt(unseen)).to.equal('open: leader-unseen');
    const newer = newFleet(2);
    const bravo = newer.hosts['bravo'];
    if (bravo !== undefined) bravo.terms = 5;
    expect(rebuilt(newer)).to.equal('open: newer-term');
  });

  it('takes over nothing of a late host that nobody named and that has led since', () => {
    const fleet = newFleet(3);
    upHost(fleet, 'alpha', false);
    upHost(fleet, 'bravo', false);
    failTo(fleet, '02.cortex', false);
    const state = { hosts: ['alpha', 'bravo'] };
    expect(rebuilt(fleet, ['alpha', 'bravo'], state)).to.match(/^term 1: 00.cortex leads/);
    expect(rebuilt(fleet, ['alpha', 'bravo', 'charlie'], state)).to.equal(
      `term 1: 00.cortex leads
01.cortex follows 00.cortex
open: newer-term`,
    );
  });
});

// ---- properties --------------------------------------------------------------------------------------------------

const host = fc.constantFrom('alpha', 'bravo', 'charlie', 'delta');
const event = fc.oneof(
  fc.record({ kind: fc.constant('off' as const), host }),
  fc.record({ kind: fc.constant('on' as const), host }),
  fc.record({ kind: fc.constant('promote' as const), host }),
  fc.record({ kind: fc.constant('fail' as const), host, runsOn: fc.boolean() }),
);
type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;

/** What a controller would have done; what it would have refused is left out. */
function lived(events: readonly Event[]): LostFleet {
  const fleet = newFleet(4);
  for (const one of events) {
    const member = memberOn(one.host);
    const target = fleet.hosts[one.host];
    const leader = fleet.hosts[hostOf(fleet.topology.leader)];
    if (one.kind === 'off' || one.kind === 'on') {
      upHost(fleet, one.host, one.kind === 'on');
      continue;
    }
    const isMirror = fleet.topology.upstreams[member] !== undefined;
    if (!isMirror || target?.isUp !== true || leader === undefined) continue;
    const isDirect = fleet.topology.upstreams[member] === fleet.topology.leader;
    if (one.kind === 'fail') failTo(fleet, member, one.runsOn);
    else if (leader.isUp && isDirect) promote(fleet, member);
  }
  return fleet;
}

const history = fc.array(event, { maxLength: 14 });
const names = ['alpha', 'bravo', 'charlie', 'delta'];
const arrival = fc.shuffledSubarray(names, { minLength: 4 });
const someOf = fc.shuffledSubarray(names, { minLength: 1 });

describe('a lost store, whatever had happened', () => {
  it('has the newest term and its leader again once everybody was heard, in any order', () => {
    fc.assert(
      fc.property(history, arrival, (events, turns) => {
        const fleet = lived(events);
        const { snapshot, heard } = hearInTurn(fleet, turns, rebuilding(emptyRebuild(names)));
        const topology = snapshot.services[SERVICE]?.topology;
        expect(topology?.leader).to.equal(fleet.topology.leader);
        expect(topology?.term).to.equal(fleet.topology.term);
        const retired = (tree: typeof topology) => tree?.retired.map(({ member }) => member).sort();
        expect(retired(topology)).to.deep.equal(retired(fleet.topology));
        const atOnce = hear(rebuilding(emptyRebuild(names)), heard);
        expect(atOnce.services).to.deep.equal(snapshot.services);
        expect(snapshot.rebuild?.endedAt).to.not.equal(undefined);
      }),
    );
  });

  it('confirms only the leader of the newest term, and nobody before all were heard', () => {
    fc.assert(
      fc.property(history, someOf, (events, turns) => {
        const fleet = lived(events);
        const { leader, term } = fleet.topology;
        const { snapshot } = hearInTurn(fleet, turns, rebuilding(emptyRebuild(names)));
        const permits = permitsIn(snapshot).map((one) => [one.member, one.term]);
        expect(permits).to.deep.equal(turns.length < names.length ? [] : [[leader, term]]);
      }),
    );
  });

  it('tells nobody to run who was not, lets no term fall, and orders nothing while it is open', () => {
    fc.assert(
      fc.property(history, someOf, (events, turns) => {
        const fleet = lived(events);
        const { snapshot } = hearInTurn(fleet, turns, rebuilding(emptyRebuild(names)));
        for (const name of turns) {
          const had = fleet.hosts[name]?.taken.members[0];
          const has = snapshot.hosts[name]?.intent;
          expect(has?.members[0]?.term).to.be.at.least(had?.term ?? 0);
          if (had?.run !== 'running') expect(has?.members[0]?.run).to.equal(had?.run);
          const isAnew = has?.generation !== fleet.hosts[name]?.taken.generation;
          if (isAnew) expect(snapshot.services).to.have.property(SERVICE);
        }
      }),
    );
  });

  it('stays as it is when everybody is heard once more', () => {
    fc.assert(
      fc.property(history, arrival, (events, turns) => {
        const fleet = lived(events);
        const first = hearInTurn(fleet, turns, rebuilding(emptyRebuild(names)));
        // The agents have taken what they were told.
        for (const { name, intent } of Object.values(first.snapshot.hosts)) {
          const one = fleet.hosts[name];
          if (one === undefined || intent === undefined) continue;
          one.wanted = intent;
          take(one);
        }
        const again = hearInTurn(fleet, turns, first.snapshot);
        expect(again.snapshot).to.deep.equal(first.snapshot);
        expect(applied(again.snapshot, [])).to.equal(again.snapshot);
      }),
    );
  });

  it('never lets a host lead that was given up, whenever it comes back', () => {
    fc.assert(
      fc.property(history, arrival, host, (events, turns, lost) => {
        const fleet = lived(events);
        const gone = [{ host: lost, reason: 'burnt down' }];
        const others = turns.filter((name) => name !== lost);
        const state = { ...emptyRebuild(names), gone };
        const { snapshot: without, heard } = hearInTurn(fleet, others, rebuilding(state));
        const led = without.services[SERVICE]?.topology;
        const back = fleet.hosts[lost];
        if (led === undefined || led.leader === memberOn(lost) || back === undefined) return;
        const snapshot = hear(without, { ...heard, [lost]: memoryOf(back) });
        const topology = snapshot.services[SERVICE]?.topology;
        expect(topology?.leader).to.equal(led.leader);
        expect(topology?.term).to.be.at.least(back.taken.members[0]?.term ?? 0);
        expect(snapshot.hosts[lost]?.intent?.members[0]?.run).to.equal('retired');
        for (const permit of permitsIn(snapshot)) expect(permit.member).to.equal(led.leader);
      }),
    );
  });
});
