// Plans as an operator reads them. The text is the test: a change of behaviour is a change of a golden.
import { expect } from 'chai';
import type { Goal } from '@leafward/shared/gen/domain.js';
import { deployed, HOSTS, manifestOf, World } from './model.js';
import { golden, shown } from './text.js';

const update: Goal = { kind: 'update', service: 'cortex', image: 'cortex:2.150.0' };
const deploy = (manifest: string): Goal => ({ kind: 'deploy', manifest });

describe('plans as text', () => {
  it('a first deploy goes from the top, each member when the one before is ready', () => {
    const world = new World(HOSTS);
    world.round();
    expect(shown(world, deploy(manifestOf()))).to.equal(
      golden(`
      plan ID deploy the manifest

      moves
        m1  pull cortex:2.113.0 on alpha, bravo, charlie, delta  (before anything is stopped)
        m2  place 00.cortex on alpha  (new, leads cortex)
        m3  place 01.cortex on bravo  (new, mirrors 00.cortex)
        m4  place 02.cortex on charlie  (new, mirrors 00.cortex)
        m5  place 03.cortex on delta  (new, mirrors 01.cortex)
    `),
    );
  });

  it('deploying the same again does nothing', () => {
    expect(shown(deployed(), deploy(manifestOf()))).to.equal(
      golden(`
      plan ID deploy the manifest

      unchanged
        00.cortex is as it should be, version 2.113.0
        01.cortex is as it should be, version 2.113.0
        02.cortex is as it should be, version 2.113.0
        03.cortex is as it should be, version 2.113.0

      nothing to do
    `),
    );
  });

  it('a deploy that changes, adds and removes members goes leafs first and never shows a value', () => {
    const members = [
      ['00.cortex', 'alpha'],
      ['01.cortex', 'bravo', '00.cortex'],
      ['02.cortex', 'charlie', '00.cortex'],
      ['04.cortex', 'alpha', '02.cortex'],
    ] as const;
    const manifest = manifestOf({ members, extra: '    environment: { SYN_SECRET: hunter2 }' });
    expect(shown(deployed(), deploy(manifest))).to.equal(
      golden(`
      plan ID deploy the manifest

      moves
        m1  pull cortex:2.113.0 on alpha  (before anything is stopped)
        m2  remove 03.cortex from delta  (not in the manifest any more; its storage stays)
        m3  recreate 01.cortex on bravo  (depth 1, its mirrors are done: environment.SYN_SECRET)
              environment.SYN_SECRET: not set → set
        m4  recreate 02.cortex on charlie  (depth 1, a leaf: environment.SYN_SECRET)
              environment.SYN_SECRET: not set → set
        m5  recreate 00.cortex on alpha  (the leader, last: environment.SYN_SECRET)
              environment.SYN_SECRET: not set → set
        m6  place 04.cortex on alpha  (new, mirrors 02.cortex)
    `),
    );
  });

  it('a secret that is set anew restarts its members leafs first, by name and version', () => {
    const extra = '    environment: { PASSWORD: { secret: db-password }, LEVEL: INFO }';
    const members = [
      ['00.cortex', 'alpha'],
      ['01.cortex', 'bravo', '00.cortex'],
    ] as const;
    const manifest = manifestOf({ members, extra });
    const world = deployed({ members });
    world.secrets = { 'db-password': 1 };
    world.apply(deploy(manifest));
    for (let count = 0; count < 5; count += 1) world.round();
    expect(world.plan(deploy(manifest)).moves).to.deep.equal([]);
    world.secrets = { 'db-password': 2 };
    expect(shown(world, deploy(manifest))).to.equal(
      golden(`
      plan ID deploy the manifest

      moves
        m1  recreate 01.cortex on bravo  (depth 1, a leaf: environment.PASSWORD)
              environment.PASSWORD: secret db-password version 1 → version 2
        m2  recreate 00.cortex on alpha  (the leader, last: environment.PASSWORD)
              environment.PASSWORD: secret db-password version 1 → version 2
    `),
    );
  });

  it('a text that becomes a secret, and one that becomes a text, show no value', () => {
    const environment = (values: string): string =>
      manifestOf({ members: [['00.cortex', 'alpha']], extra: `    environment: { ${values} }` });
    const world = deployed({ members: [['00.cortex', 'alpha']] });
    world.secrets = { old: 4, new: 7 };
    world.apply(deploy(environment('A: hunter2, B: { secret: old }, C: { secret: old }')));
    for (let count = 0; count < 5; count += 1) world.round();
    const plan = world.plan(
      deploy(environment('A: { secret: new }, B: hunter3, C: { secret: new }, D: { secret: old }')),
    );
    expect(plan.moves.flatMap((m) => (m.kind === 'recreate' ? m.changes : []))).to.deep.equal([
      { path: 'environment.A', before: 'set', after: 'secret new version 7' },
      { path: 'environment.B', before: 'secret old version 4', after: 'set anew' },
      { path: 'environment.C', before: 'secret old version 4', after: 'secret new version 7' },
      { path: 'environment.D', before: 'not set', after: 'secret old version 4' },
    ]);
  });

  it('a secret that nobody has set refuses the deploy', () => {
    const world = new World(HOSTS);
    world.round();
    const manifest = manifestOf({
      members: [['00.cortex', 'alpha']],
      extra: '    environment: { PASSWORD: { secret: db-password } }',
    });
    expect(shown(world, deploy(manifest))).to.equal(
      golden(`
      plan ID deploy the manifest

      moves
        m1  pull cortex:2.113.0 on alpha  (before anything is stopped)
        m2  place 00.cortex on alpha  (new, leads cortex)

      gates
        FAIL secrets: there is no secret db-password, which PASSWORD of 00.cortex would get

      refused
        secret-unknown: there is no secret db-password, which PASSWORD of 00.cortex would get
          → set it: leafward secret set db-password --from-file FILE
    `),
    );
  });

  it('a deploy that would move a member or drop the leader is refused', () => {
    const members = [
      ['01.cortex', 'delta'],
      ['02.cortex', 'charlie', '01.cortex'],
    ] as const;
    expect(shown(deployed(), deploy(manifestOf({ members })))).to.equal(
      golden(`
      plan ID deploy the manifest

      moves
        m1  place 01.cortex on bravo  (goes on as it is, with another upstream)
        m2  place 02.cortex on charlie  (goes on as it is, with another upstream)
        m3  remove 03.cortex from delta  (not in the manifest any more; its storage stays)
        m4  remove 00.cortex from alpha  (not in the manifest any more; its storage stays)

      gates
        FAIL kept: 01.cortex would change its host from bravo to delta: it would begin anew without its data
        FAIL removals: 00.cortex leads cortex and is not in the manifest any more

      refused
        host-changes: 01.cortex would change its host from bravo to delta: it would begin anew without its data
          → write bravo again, or add a member under a new name and remove this one
        removes-leader: 00.cortex leads cortex and is not in the manifest any more
          → hand over first: leafward plan promote cortex --to MIRROR
    `),
    );
  });

  it('an update goes leafs first, the leader last', () => {
    expect(shown(deployed(), update)).to.equal(
      golden(`
      plan ID update cortex to cortex:2.150.0

      moves
        m1  pull cortex:2.150.0 on alpha, bravo, charlie, delta  (before anything is stopped)
        m2  recreate 03.cortex on delta  (depth 2, a leaf)
              image: cortex:2.113.0 (302e3331312e) → cortex:2.150.0 (302e3035312e)
        m3  recreate 01.cortex on bravo  (depth 1, its mirrors are done)
              image: cortex:2.113.0 (302e3331312e) → cortex:2.150.0 (302e3035312e)
        m4  recreate 02.cortex on charlie  (depth 1, a leaf)
              image: cortex:2.113.0 (302e3331312e) → cortex:2.150.0 (302e3035312e)
        m5  recreate 00.cortex on alpha  (the leader, last)
              image: cortex:2.113.0 (302e3331312e) → cortex:2.150.0 (302e3035312e)
    `),
    );
  });

  it('an update without a backup, with a silent host and to an older version says all of it', () => {
    const world = deployed({ image: 'cortex:2.180.0' });
    world.backups = [];
    world.machine('delta').connected = false;
    world.round();
    expect(shown(world, update)).to.equal(
      golden(`
      plan ID update cortex to cortex:2.150.0

      moves
        m1  pull cortex:2.150.0 on alpha, bravo, charlie, delta  (before anything is stopped)
        m2  recreate 03.cortex on delta  (depth 2, a leaf)
              image: cortex:2.180.0 (302e3038312e) → cortex:2.150.0 (302e3035312e)
        m3  recreate 01.cortex on bravo  (depth 1, its mirrors are done)
              image: cortex:2.180.0 (302e3038312e) → cortex:2.150.0 (302e3035312e)
        m4  recreate 02.cortex on charlie  (depth 1, a leaf)
              image: cortex:2.180.0 (302e3038312e) → cortex:2.150.0 (302e3035312e)
        m5  recreate 00.cortex on alpha  (the leader, last)
              image: cortex:2.180.0 (302e3038312e) → cortex:2.150.0 (302e3035312e)

      gates
        FAIL connected: the agent of host delta (03.cortex) is not connected
        FAIL backup: cortex has no complete backup (I6)
        FAIL version: 03.cortex has version 2.180.0, cortex:2.150.0 is version 2.150.0: versions never go down (I5); the same holds for 01.cortex, 02.cortex and 00.cortex

      refused
        host-silent: the agent of host delta (03.cortex) is not connected
          → bring host delta and its leafward-agent back; look at it with: leafward why delta
        no-backup: cortex has no complete backup (I6)
          → take one: leafward backup run cortex
        downgrade: 03.cortex has version 2.180.0, cortex:2.150.0 is version 2.150.0: versions never go down (I5); the same holds for 01.cortex, 02.cortex and 00.cortex
          → take a newer image; the way back is a restore from a backup
    `),
    );
  });

  it('a promotion hands over to a direct mirror', () => {
    const goal: Goal = { kind: 'promote', service: 'cortex', to: '01.cortex' };
    expect(shown(deployed(), goal)).to.equal(
      golden(`
      plan ID hand cortex over to 01.cortex

      moves
        m1  hand over from 00.cortex to 01.cortex, term 2  (00.cortex ends as a mirror of 01.cortex)

      unchanged
        02.cortex goes on mirroring 00.cortex
    `),
    );
  });

  it('a promotion of a mirror of a mirror is refused', () => {
    const goal: Goal = { kind: 'promote', service: 'cortex', to: '03.cortex' };
    expect(shown(deployed(), goal)).to.equal(
      golden(`
      plan ID hand cortex over to 03.cortex

      moves
        m1  hand over from 00.cortex to 03.cortex, term 2  (00.cortex ends as a mirror of 03.cortex)

      gates
        FAIL ready to hand over: 03.cortex mirrors 01.cortex, not the leader 00.cortex; promoting it could make two leaders (I1)

      refused
        not-a-direct-mirror: 03.cortex mirrors 01.cortex, not the leader 00.cortex; promoting it could make two leaders (I1)
          → choose a direct mirror: 01.cortex and 02.cortex

      unchanged
        01.cortex goes on mirroring 00.cortex
        02.cortex goes on mirroring 00.cortex
    `),
    );
  });

  it('a failover of a silent leader needs a word that it is off', () => {
    const world = deployed();
    world.powerOff('alpha');
    world.round(30_000);
    expect(shown(world, { kind: 'failover', service: 'cortex' })).to.equal(
      golden(`
      plan ID fail cortex over

      moves
        m1  fence 00.cortex on alpha  (00.cortex must be proven stopped before anybody else leads (I1))
        m2  choose among 01.cortex, 02.cortex, 03.cortex, expected 01.cortex  (the most advanced mirror, by positions seen after the fence)
        m3  promote the chosen one by force, term 2  (term 2 begins, 00.cortex is retired (I2))
        m4  re-point 01.cortex, 02.cortex, 03.cortex  (the other mirrors follow the new leader)

      gates
        FAIL proof: host alpha has been silent for 30 s: 00.cortex may still lead behind a broken line (I1)

      refused
        leader-unproven: host alpha has been silent for 30 s: 00.cortex may still lead behind a broken line (I1)
          → make sure that it is off, then say so: leafward plan failover cortex --leader-is-off "reason"

      warnings
        expected to be chosen: 01.cortex, with nothing known to be lost
    `),
    );
  });

  it('a failover of a healthy leader is refused', () => {
    expect(shown(deployed(), { kind: 'failover', service: 'cortex' })).to.equal(
      golden(`
      plan ID fail cortex over

      moves
        m1  fence 00.cortex on alpha  (00.cortex must be proven stopped before anybody else leads (I1))
        m2  choose among 01.cortex, 02.cortex, 03.cortex, expected 01.cortex  (the most advanced mirror, by positions seen after the fence)
        m3  promote the chosen one by force, term 2  (term 2 begins, 00.cortex is retired (I2))
        m4  re-point 01.cortex, 02.cortex, 03.cortex  (the other mirrors follow the new leader)

      gates
        FAIL leader is dead: 00.cortex is leading: a forced failover would throw a living leader away

      refused
        leader-lives: 00.cortex is leading: a forced failover would throw a living leader away
          → hand over gracefully: leafward plan promote cortex --to MIRROR

      warnings
        expected to be chosen: 01.cortex, with nothing known to be lost
    `),
    );
  });

  it('a backup is taken of a healthy mirror', () => {
    const goal: Goal = { kind: 'backup', service: 'cortex', name: 'b2' };
    expect(shown(deployed(), goal)).to.equal(
      golden(`
      plan ID back up cortex

      moves
        m1  back up 03.cortex on delta as b2  (a mirror near its leader, so that no write pauses)
    `),
    );
  });
});
