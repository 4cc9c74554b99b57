// fleet.yaml: what it means, and every way in which it can be wrong, all at once and with its place.
import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { format } from 'prettier';
import { parseManifest } from '@leafward/shared/manifest/parse.js';
import { manifestJsonSchema } from '@leafward/shared/manifest/schema.js';
import type { Manifest } from '@leafward/shared/manifest/types.js';
import {
  parseDuration,
  parseSize,
  renderDuration,
  renderSize,
} from '@leafward/shared/manifest/units.js';
import { problems } from './manifest-problems.js';

const deploy = new URL('../../../deploy/', import.meta.url);

const GOOD = `fleet: loop
hosts:
  alpha: { address: 10.0.0.11 }
  bravo:
services:
  aha:
    kind: synapse
    image: aha:2.113.0
    members:
      00.aha: { host: alpha }
  cortex:
    kind: synapse
    image: cortex:2.113.0
    after: [aha]
    upstreamUrl: aha://{member}.loop
    environment: { WORKERS: 4, DIR: '{storage}' }
    members:
      00.cortex: { host: alpha }
      01.cortex: { host: bravo, upstream: 00.cortex }
`;

const parsed = (text: string): Manifest => {
  const result = parseManifest(text);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.manifest;
};

describe('manifest', () => {
  it('fills in what a kind takes for granted and resolves templates', () => {
    const cortex = parsed(GOOD).services[1];
    expect(cortex).to.deep.include({
      runtime: 'docker',
      storageTarget: '/vertex/storage',
      networkMode: 'host',
      boot: 'wait',
    });
    expect(cortex?.members[1]).to.deep.include({
      name: '01.cortex',
      upstream: '00.cortex',
      storage: '/srv/syn/01.cortex/storage',
      user: '999',
      url: 'aha://01.cortex.loop',
      environment: { WORKERS: '4', DIR: '/vertex/storage' },
    });
  });

  it('keeps names of secrets apart from values; a member’s own win over its service’s', () => {
    const text = GOOD.replace(
      "{ WORKERS: 4, DIR: '{storage}' }",
      '{ A: { secret: one }, B: { secret: two }, C: text }',
    ).replace(
      '01.cortex: { host: bravo,',
      '01.cortex: { host: bravo, environment: { A: own, C: { secret: three } },',
    );
    const cortex = parsed(text).services[1];
    expect(cortex?.members.map((m) => [m.environment, m.secretEnvironment])).to.deep.equal([
      [{ C: 'text' }, { A: 'one', B: 'two' }],
      [{ A: 'own' }, { B: 'two', C: 'three' }],
    ]);
  });

  it('refuses what is neither a value nor the name of a secret', () => {
    const path = 'services.cortex.environment';
    for (const value of ['{ secret: Bad Name }', '{ secrets: a }', '[a]', '{}', 'null'])
      expect(problems(GOOD.replace('WORKERS: 4', `WORKERS: ${value}`)).join(), value).to.include(
        path,
      );
    expect(problems(GOOD.replace('WORKERS: 4', 'WORKERS: [a]'))[0]).to.include('{ secret: NAME }');
  });

  it('leaves to the agent what only the agent knows', () => {
    const text = readFileSync(new URL('examples/process.yaml', deploy), 'utf8');
    const [cell] = parsed(text).services;
    expect(cell?.members[0]?.command).to.eql(['node', '{image}', '{storage}']);
    expect(cell?.members[0]?.url).to.equal('unix:///var/lib/cells/00.cell/sock');
    expect(cell?.members[0]?.user).to.equal(undefined);
  });

  it('takes every example', () => {
    const names = readdirSync(new URL('examples/', deploy)).filter((name) =>
      name.endsWith('.yaml'),
    );
    expect(names).to.include('fleet.yaml');
    for (const name of names)
      expect(problems(readFileSync(new URL(`examples/${name}`, deploy), 'utf8')), name).to.eql([]);
  });

  it('publishes the schema that it uses', async () => {
    const text = await format(JSON.stringify(manifestJsonSchema()), {
      parser: 'json',
      printWidth: 100,
    });
    const hint = 'run: node scripts/generate-schema.mjs';
    expect(readFileSync(new URL('fleet.schema.json', deploy), 'utf8'), hint).to.equal(text);
  });

  it('describes every key to editors', () => {
    const bare: string[] = [];
    const look = (at: unknown, path: string): void => {
      if (typeof at !== 'object' || at === null) return;
      const { properties = {}, ...rest } = at as { readonly properties?: object };
      for (const [key, value] of Object.entries(properties)) {
        if (!('description' in value)) bare.push(`${path}.${key}`);
        look(value, `${path}.${key}`);
      }
      for (const value of Object.values(rest)) look(value, path);
    };
    look(manifestJsonSchema(), '');
    expect(bare).to.eql([]);
  });

  it('tells all problems at once, in the order of the file', () => {
    const text = GOOD.replace('fleet: loop', 'flet: loop')
      .replace('after: [aha]', 'after: [ahab]\n    stopGrace: 5 minutes')
      .replace('00.aha: { host: alpha }', '00.aha: { host: zulu, user: 5 }');
    expect(problems(text)).to.eql([
      '1:1 fleet: this is needed and missing',
      '1:1 flet: this key is not known; look for a slip of the pen',
      '10:17 services.aha.members["00.aha"].host: there is no host zulu; hosts are alpha, bravo',
      '10:29 services.aha.members["00.aha"].user: Invalid input: expected string, received number',
      '14:13 services.cortex.after[0]: there is no service ahab; services are aha, cortex',
      '15:5 services.cortex.stopGrace: a duration is a whole number and ms, s, m, h or d: "24h", "5m"',
    ]);
  });

  const wrong: readonly (readonly [string, string, string, string])[] = [
    [
      'an unknown host',
      'host: bravo',
      'host: zulu',
      '19:20 services.cortex.members["01.cortex"].host: there is no host zulu; hosts are alpha, bravo',
    ],
    [
      'an unknown upstream',
      'upstream: 00.cortex',
      'upstream: 09.cortex',
      '19:33 services.cortex.members["01.cortex"].upstream: there is no member 09.cortex in cortex; members are 00.cortex, 01.cortex',
    ],
    [
      'a member that mirrors itself',
      'upstream: 00.cortex',
      'upstream: 01.cortex',
      '19:33 services.cortex.members["01.cortex"].upstream: a member cannot mirror itself',
    ],
    [
      'an unknown service',
      'after: [aha]',
      'after: [ahab]',
      '14:13 services.cortex.after[0]: there is no service ahab; services are aha, cortex',
    ],
    [
      'a service after itself',
      'after: [aha]',
      'after: [cortex]',
      '14:13 services.cortex.after[0]: services wait for each other: cortex → cortex',
    ],
    [
      'a template that means nothing',
      '{storage}',
      '{stroage}',
      '16:32 services.cortex.environment.DIR: {stroage} means nothing here; known are {service} {member} {host} {address} {storage}',
    ],
    [
      'no address where one is needed',
      'aha://{member}.loop',
      'tcp://{address}:1',
      '15:5 services.cortex.upstreamUrl: {address} needs an `address` at its host',
    ],
    [
      'no URL for the mirrors',
      '    upstreamUrl: aha://{member}.loop\n',
      '',
      '11:3 services.cortex.upstreamUrl: 00.cortex has mirrors, so they must be told how to find it: for example "aha://{member}.<network>" or "tcp://{address}:{port.telepath}"',
    ],
    [
      'a bad name',
      '00.aha:',
      '00_AHA:',
      '10:7 services.aha.members["00_AHA"]: a member’s name is made of lower-case letters, digits, "-" and ".", starts and ends with a letter or digit and has at most 63 characters',
    ],
    [
      'a name twice in the fleet',
      '00.aha:',
      '00.cortex:',
      '18:7 services.cortex.members["00.cortex"]: aha has a member 00.cortex already; names are unique in a fleet',
    ],
    [
      'a lease too short',
      '    after: [aha]',
      '    after: [aha]\n    failover: { lease: 1s }',
      '15:17 services.cortex.failover.lease: a lease of 1s is too short for an agent to renew it in time: at least 3s',
    ],
    [
      'a grace that outlives the lease',
      '    after: [aha]',
      '    after: [aha]\n    stopGrace: 10m\n    failover: { lease: 30s, onIsolation: stop }',
      '16:17 services.cortex.failover.lease: an isolated leader may take its stopGrace of 10m to stop after a lease of 30s, and nobody may take over before: make stopGrace at most 10 leases, or failover.stopGrace shorter',
    ],
    [
      'a failover that acts alone where nobody could take over',
      'image: aha:2.113.0',
      'image: aha:2.113.0\n    failover: { mode: automatic }',
      '9:17 services.aha.failover.mode: aha has one member: nobody could take over',
    ],
    [
      'a failover by nobody that there is',
      'image: aha:2.113.0',
      'image: aha:2.113.0\n    failover: { mode: alone }',
      '9:17 services.aha.failover.mode: must be manual or automatic',
    ],
    [
      'a leader that nobody else can ask',
      '    after: [aha]',
      '    after: [aha]\n    failover: { mode: automatic, onIsolation: stop, stopGrace: 10s }',
      '15:5 services.cortex.failover.probe: nobody can ask 00.cortex under aha://00.cortex.loop whether it answers: say where, for example "tcp://{address}:{port.telepath}"',
    ],
    [
      'a dead leader that is left to the controller for too long',
      '    after: [aha]',
      '    after: [aha]\n    failover: { mode: automatic, restartAfter: 1h }',
      '15:34 services.cortex.failover.restartAfter: a leader that died is left to the controller for 1s to 10m',
    ],
    [
      'a size that is none',
      'image: aha:2.113.0',
      'image: aha:2.113.0\n    limits: { memory: 8GB }',
      '9:15 services.aha.limits.memory: a size is a number and B, KiB, MiB, GiB or TiB: "512MiB"',
    ],
    [
      'a path that climbs',
      'image: aha:2.113.0',
      'image: aha:2.113.0\n    storage: /srv/../etc',
      '9:5 services.aha.storage: a path has no ".."',
    ],
    [
      'two leaders',
      'host: bravo, upstream: 00.cortex',
      'host: bravo',
      '19:7 services.cortex.members["01.cortex"]: two members would lead, 00.cortex and 01.cortex: give one of them an upstream',
    ],
  ];
  for (const [name, before, after, problem] of wrong)
    it(`refuses ${name}`, () => {
      expect(problems(GOOD.replace(before, after))).to.include(problem);
    });

  it('refuses a ring and says it once', () => {
    const ring = GOOD.replace(
      '00.cortex: { host: alpha }',
      '00.cortex: { host: alpha, upstream: 01.cortex }',
    );
    expect(problems(ring)).to.eql([
      '17:5 services.cortex.members: nobody leads: every member has an upstream; leave it out at one of them',
      '18:33 services.cortex.members["00.cortex"].upstream: the upstreams form a ring: 00.cortex → 01.cortex → 00.cortex',
    ]);
  });

  it('refuses one storage for two members, or one inside the other (I9)', () => {
    const same = GOOD.replace(
      'host: alpha }\n  cortex',
      'host: alpha, storage: /srv/syn/00.cortex/storage/ }\n  cortex',
    );
    expect(problems(same).join()).to.match(
      /has the storage \/srv\/syn\/00.cortex\/storage on alpha already \(I9\)/,
    );
    const inside = GOOD.replace(
      'host: alpha }\n  cortex',
      'host: alpha, storage: /srv/syn/00.cortex/storage/x }\n  cortex',
    );
    expect(problems(inside).join()).to.match(
      /lies inside the storage of 00.cortex on alpha \(I9\)/,
    );
  });

  it('refuses one port for two members of a host, unless their networks are their own', () => {
    const both = GOOD.replace(
      'image: aha:2.113.0',
      'image: aha:2.113.0\n    ports: { telepath: 27492 }',
    ).replace('image: cortex:2.113.0', 'image: cortex:2.113.0\n    ports: { telepath: 27492 }');
    expect(problems(both)).to.eql([
      '20:7 services.cortex.members["00.cortex"].ports.telepath: port 27492 of alpha is 00.aha\'s telepath already',
    ]);
    expect(
      problems(both.replaceAll('kind: synapse', 'kind: synapse\n    networkMode: bridge')),
    ).to.eql([]);
  });

  it('bounds what a text can make it do', () => {
    const names = 'bcdefghij'.split('');
    const bomb = [
      'a: &a [x, x, x, x, x, x, x, x, x]',
      ...names.map(
        (name, index) =>
          `${name}: &${name} [${Array(9).fill(`*${'abcdefghij'[index]}`).join(', ')}]`,
      ),
    ].join('\n');
    expect(problems(bomb).join()).to.match(/alias/i);
    expect(problems('['.repeat(100_000)).join()).to.match(/nests at most/);
    expect(problems('x'.repeat(5 * 2 ** 20)).join()).to.match(/at most 4 MiB/);
    expect(problems('').join()).to.match(/empty/);
    expect(problems('a: [').join()).to.match(/1:5/);
    expect(problems('fleet: x\nfleet: y').join()).to.match(/unique/);
  });

  it('never throws, whatever YAML says', () => {
    for (const text of [
      '3',
      'null',
      '[]',
      '{}',
      'hosts: 3',
      'services: []',
      'services: { x: null }',
      'hosts: { constructor: }',
      '__proto__: { x: 1 }',
      'services: { cortex: { members: { 00.cortex: 3 } } }',
      '!!binary x',
      '--- a\n--- b',
    ])
      expect(problems(text), text).not.to.eql([]);
  });
});

describe('durations and sizes', () => {
  it('reads and writes them', () => {
    expect(['24h', '5m', '90s', '500ms', '7d', '5 m', '1.5h', ''].map(parseDuration)).to.eql([
      86_400_000,
      300_000,
      90_000,
      500,
      604_800_000,
      undefined,
      undefined,
      undefined,
    ]);
    expect(['512MiB', '1.5GiB', '3B', '8GB', '-1B'].map(parseSize)).to.eql([
      536_870_912,
      1_610_612_736,
      3,
      undefined,
      undefined,
    ]);
    expect([0, 999, 1000, 90_000, 86_400_000, 90_061_000].map(renderDuration)).to.eql([
      '0ms',
      '999ms',
      '1s',
      '1m30s',
      '1d',
      '1d1h',
    ]);
    expect([0, 1023, 1024, 1_610_612_736].map(renderSize)).to.eql([
      '0B',
      '1023B',
      '1KiB',
      '1.5GiB',
    ]);
  });
});
