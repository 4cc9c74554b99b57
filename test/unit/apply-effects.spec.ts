// Effects as changes: one generation a host however many members change, terms never fall, retired stays retired.
import { expect } from 'chai';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { changesOf } from '@leafward/controller/apply-effects.js';
import type { Snapshot } from '@leafward/controller/snapshot.js';

const member = (name: string, over: Partial<MemberIntent> = {}): MemberIntent => ({
  member: name,
  service: 'cortex',
  run: 'running',
  role: 'leader',
  term: 3,
  mirrored: true,
  boot: 'wait',
  isolation: { onIsolation: 'keep', leaseMs: 5000 },
  spec: {
    kind: 'synapse',
    runtime: 'process',
    image: { reference: '/i', digest: 'sha256:00' },
    command: [],
    environment: {},
    mounts: [],
    storage: `/s/${name}`,
    storageTarget: '/s',
    networkMode: 'host',
    limits: {},
    ports: {},
    stopGraceMs: 1,
    engineOptions: {},
  },
  ...over,
});

const snapshot = (members: readonly MemberIntent[]): Snapshot => ({
  now: 10,
  fleet: 'f',
  epoch: 4,
  controllerStartedAt: 0,
  services: {},
  hosts: {
    alpha: {
      name: 'alpha',
      enrolled: true,
      revoked: false,
      connected: true,
      intent: { host: 'alpha', generation: 8, epoch: 3, members },
      members: {},
      findings: [],
    },
  },
  requests: {},
  backups: [],
  operations: [],
  waivers: [],
  history: {},
});

describe('effects', () => {
  it('raise the generation of a host once, carry the epoch and keep other members', () => {
    const changes = changesOf(snapshot([member('a'), member('b')]), [
      { kind: 'set-intents', host: 'alpha', intents: [member('a', { term: 4 })] },
      { kind: 'drop-intent', host: 'alpha', member: 'b' },
      { kind: 'set-intents', host: 'alpha', intents: [member('c')] },
    ]);
    expect(changes).to.have.length(1);
    const [change] = changes;
    if (change?.kind !== 'intent') throw new Error('an intent was expected');
    expect(change.intent.generation).to.equal(9);
    expect(change.intent.epoch).to.equal(4);
    expect(change.intent.members.map((m) => [m.member, m.term])).to.deep.equal([
      ['a', 4],
      ['c', 3],
    ]);
  });

  it('never let a term fall', () => {
    const fall = () =>
      changesOf(snapshot([member('a')]), [
        { kind: 'set-intents', host: 'alpha', intents: [member('a', { term: 2 })] },
      ]);
    expect(fall).to.throw('would fall (I11)');
  });

  it('never bring a retired member back', () => {
    const back = () =>
      changesOf(snapshot([member('a', { run: 'retired' })]), [
        { kind: 'set-intents', host: 'alpha', intents: [member('a', { term: 4 })] },
      ]);
    expect(back).to.throw('would run again (I2)');
  });
});
