// A leader that answers and does not do its work: named with its cause, not healthy, and nobody's word to fail over.
import { expect } from 'chai';
import { buildStatus, explain, planGoal } from '@leafward/controller/planning/index.js';
import type { Snapshot } from '@leafward/controller/snapshot.js';
import type { Goal, HostFact, MemberFact } from '@leafward/shared/gen/domain.js';
import { backupOf, deployed, imageOf } from './model.js';

const LEADER = '00.cortex';

/** The deployed tree with another word of its leader, and of its leader's host. */
function seen(change: (fact: MemberFact) => MemberFact, host?: Partial<HostFact>): Snapshot {
  const world = deployed();
  world.backups.push(backupOf('01.cortex', 'cortex', 'bravo', world.now));
  const snapshot = world.snapshot();
  const alpha = snapshot.hosts.alpha;
  const known = alpha?.members[LEADER];
  if (alpha === undefined || known === undefined) throw new Error('the leader was not seen');
  const members = { ...alpha.members, [LEADER]: { ...known, value: change(known.value) } };
  const fact = host === undefined ? alpha.fact : (host as HostFact);
  return { ...snapshot, hosts: { ...snapshot.hosts, alpha: { ...alpha, fact, members } } };
}

const leaderOf = (snapshot: Snapshot) =>
  buildStatus(snapshot).services[0]?.members.find(({ member }) => member === LEADER);

const readOnly = (): Snapshot =>
  seen((fact) => ({ ...fact, engine: { ...fact.engine, readOnly: true } }));
const room = (freeBytes: number): Snapshot =>
  seen((fact) => ({ ...fact, storage: { ...fact.storage, freeBytes, totalBytes: 1e12 } }));

describe('a half-dead leader', () => {
  it('is one that takes no writes', () => {
    expect(leaderOf(readOnly())).to.deep.include({
      state: 'half-dead',
      problems: ['it answers and takes no writes: it is read-only'],
    });
  });

  it('is one whose disk is full, and no other', () => {
    expect(leaderOf(room(1e6))).to.deep.include({
      state: 'half-dead',
      problems: ['its disk is full: 976.6 KiB of 931.3 GiB are free'],
    });
    expect(leaderOf(room(1e11))?.state).to.equal('leading');
  });

  it('is one whose disk hangs', () => {
    const hang = (path: string, now: number): Partial<HostFact> => ({
      volumes: [
        {
          path,
          device: '/dev/vdb',
          fileSystem: 'ext4',
          totalBytes: 1e12,
          freeBytes: 1e11,
          hungSince: now - 42_000,
        },
      ],
    });
    const plain = seen((fact) => fact);
    const storage = plain.hosts.alpha?.intent?.members[0]?.spec.storage ?? '';
    const view = leaderOf(seen((fact) => fact, hang(storage, plain.now)));
    expect(view?.state).to.equal('half-dead');
    expect(view?.problems).to.deep.equal([
      'its disk hangs: a small write beside it has not come back for 42 s',
    ]);
    expect(leaderOf(seen((fact) => fact, hang('/other', plain.now)))?.state).to.equal('leading');
  });

  it('is explained with what was seen and what is wanted', () => {
    const [own] = explain(readOnly(), LEADER);
    expect(own?.summary).to.include('is half-dead: it answers and takes no writes');
    const fact = own?.facts.find(({ name }) => name === 'writes');
    expect(fact).to.deep.include({ value: 'refused: read-only', wanted: 'taken' });
  });

  it('keeps updates away, and may be failed over by an operator who has read what that means', () => {
    const image = imageOf('cortex:2.114.0');
    const update: Goal = {
      kind: 'update',
      service: 'cortex',
      image: image.reference,
      resolved: image,
    };
    const refused = planGoal(readOnly(), update, { [image.reference]: image });
    const health = refused.refusals.find(({ message }) => message.includes(LEADER));
    expect(health?.message).to.include('half-dead');
    const plan = planGoal(readOnly(), { kind: 'failover', service: 'cortex' }, {});
    expect(plan.refusals).to.deep.equal([]);
    expect(plan.warnings[0]).to.include('00.cortex is half-dead and still leads');
  });

  it('is no mirror that is read-only', () => {
    const world = deployed();
    const snapshot = world.snapshot();
    const bravo = snapshot.hosts.bravo;
    const known = bravo?.members['01.cortex'];
    if (bravo === undefined || known === undefined) throw new Error('the mirror was not seen');
    const value = { ...known.value, engine: { ...known.value.engine, readOnly: true } };
    const members = { ...bravo.members, '01.cortex': { ...known, value } };
    const status = buildStatus({
      ...snapshot,
      hosts: { ...snapshot.hosts, bravo: { ...bravo, members } },
    });
    const states = status.services[0]?.members.map(({ member, state }) => [member, state]);
    expect(Object.fromEntries(states ?? [])).to.deep.include({
      '00.cortex': 'leading',
      '01.cortex': 'behind',
    });
  });
});
