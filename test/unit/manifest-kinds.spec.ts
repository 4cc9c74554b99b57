// `kinds:` of fleet.yaml: services described with commands. What a kind means with its defaults made explicit, and
// every way in which it can be wrong, all at once and with its place; whatever is written, nothing is thrown.
import { expect } from 'chai';
import fc from 'fast-check';
import { readdirSync, readFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { COMMANDS } from '@leafward/shared/manifest/abilities.js';
import { parseKinds } from '@leafward/shared/manifest/parse-kinds.js';
import { placeholdersOf } from '@leafward/shared/manifest/placeholders.js';
import { parseManifest } from '@leafward/shared/manifest/parse.js';
import type { ServiceDeclaration } from '@leafward/shared/manifest/types.js';
import { problems } from './manifest-problems.js';

const GOOD = `fleet: shop
hosts:
  alpha: { address: 10.0.0.11 }
  bravo: { address: 10.0.0.12 }
kinds:
  store:
    positions: lsn
    migration: { running: 'migrating', done: 'migrated' }
    commands:
      status: { run: [store, status, '{port.sql}'], deadline: 2s, result: json }
      role: { of: status, field: role, words: { master: leader, slave: mirror } }
      position: { run: [store, position], match: 'at ([0-9A-F/]+)' }
      ready: { run: [store, ping], result: exit-code }
      storedUpstream: { run: [cat, '{storage}/upstream'] }
      setUpstream: { run: [store, follow, '{upstream.host}', '{upstream.port}'] }
      clearUpstream: { run: [rm, '-f', '{storage}/upstream'], where: host }
      backup:
        steps:
          - { run: [store, flush], deadline: 1m }
          - { run: [store, dump, '{directory}'], where: host, maxOutput: 1KiB }
services:
  orders:
    kind: store
    image: store:7.2.0
    ports: { sql: 5432 }
    members:
      00.orders: { host: alpha }
      01.orders: { host: bravo, upstream: 00.orders }
`;

const STACK = `fleet: chat
hosts:
  alpha:
services:
  homeserver:
    kind: matrix-synapse
    image: matrix:1.62.0
    members:
      main: { host: alpha }
      zulu: { host: alpha, upstream: main }
      alpha-1: { host: alpha, upstream: main }
`;

const only = (text: string): ServiceDeclaration => {
  const result = parseManifest(text);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  const [service] = result.manifest.services;
  if (service === undefined) throw new Error('no service');
  return service;
};

describe('kinds of a manifest', () => {
  it('say how far a mirror may be behind, in what their positions count', () => {
    const withLag = (lag: string): string =>
      GOOD.replace('positions: lsn', `positions: lsn\n    lag: ${lag}`);
    expect(only(GOOD).lag).to.equal(undefined);
    expect(only(withLag('4096')).lag).to.equal(4096);
    for (const wrong of ['1.5', '-1', 'much'])
      expect(parseManifest(withLag(wrong)).ok, wrong).to.equal(false);
  });

  it('become commands with every default made explicit', () => {
    const look = { place: 'member', deadlineMs: 5000, maxOutputBytes: 65_536 };
    const { exec } = only(GOOD);
    expect(exec?.positions).to.equal('lsn');
    expect(exec?.migrationRunning).to.equal('migrating');
    expect(exec?.migrationDone).to.equal('migrated');
    expect(exec?.commands['status']).to.eql({
      steps: [{ ...look, run: ['store', 'status', '{port.sql}'], deadlineMs: 2000 }],
      format: 'json',
    });
    expect(exec?.commands['role']).to.eql({
      steps: [],
      of: 'status',
      format: 'json',
      field: 'role',
      words: { words: { master: 'leader', slave: 'mirror' } },
    });
    expect(exec?.commands['position']).to.eql({
      steps: [{ ...look, run: ['store', 'position'] }],
      format: 'plain',
      match: 'at ([0-9A-F/]+)',
    });
    expect(exec?.commands['clearUpstream']?.steps).to.eql([
      { ...look, run: ['rm', '-f', '{storage}/upstream'], place: 'host', deadlineMs: 60_000 },
    ]);
    expect(exec?.commands['backup']?.steps).to.eql([
      { ...look, run: ['store', 'flush'], deadlineMs: 60_000 },
      {
        run: ['store', 'dump', '{directory}'],
        place: 'host',
        deadlineMs: 43_200_000,
        maxOutputBytes: 1024,
      },
    ]);
  });

  it('give their services what every described kind has', () => {
    expect(only(GOOD)).to.deep.include({
      shape: 'tree',
      storageTarget: '/data',
      networkMode: 'host',
    });
    expect(only(GOOD).members.map(({ storage, url, user }) => [storage, url, user])).to.eql([
      ['/srv/orders/00.orders', 'tcp://10.0.0.11:5432', undefined],
      ['/srv/orders/01.orders', 'tcp://10.0.0.12:5432', undefined],
    ]);
  });

  it('leave the URL to the operator where it could be several', () => {
    const two = GOOD.replace('sql: 5432', 'sql: 5432, admin: 8080');
    expect(problems(two).join('\n')).to.match(
      /services\.orders\.upstreamUrl: 00\.orders has mirrors/,
    );
  });

  const wrong: readonly (readonly [string, string, string, string])[] = [
    [
      'a name that is built in',
      '  store:\n',
      '  synapse:\n',
      '6:3 kinds.synapse: synapse is built in: give this kind another name',
    ],
    [
      'a service of no kind',
      'kind: store',
      'kind: stroe',
      '23:5 services.orders.kind: there is no kind stroe: built in are synapse, matrix-synapse; kinds of this manifest: store',
    ],
    [
      'positions of another kind',
      'positions: lsn',
      'positions: gtid',
      '7:5 kinds.store.positions: positions are number or lsn (X/Y, hexadecimal)',
    ],
    [
      'a migration that never ends',
      ", done: 'migrated'",
      '',
      '8:5 kinds.store.migration.done: this is needed and missing',
    ],
    [
      'the answer of a command that is not there',
      'of: status',
      'of: state',
      '11:15 kinds.store.commands.role.of: there is no command state; this kind has status, role, position, ready, storedUpstream, setUpstream, clearUpstream, backup',
    ],
    [
      'its own answer',
      'of: status',
      'of: role',
      '11:15 kinds.store.commands.role.of: a command cannot read its own answer',
    ],
    [
      'the answer of an answer',
      "{ run: [store, position], match: 'at ([0-9A-F/]+)' }",
      '{ of: role, field: at }',
      '12:19 kinds.store.commands.position.of: role reads the answer of status itself: say of: status',
    ],
    [
      'the answer of an act',
      'of: status',
      'of: backup',
      '11:15 kinds.store.commands.role.of: backup acts: nobody runs it to look',
    ],
    [
      'a look at the storage shared with one at the member',
      "{ run: [cat, '{storage}/upstream'] }",
      '{ of: status, field: upstream }',
      '14:25 kinds.store.commands.storedUpstream.of: storedUpstream and status do not share a look: one is at the running member, one at its storage',
    ],
    [
      'an act that is an answer',
      "{ run: [rm, '-f', '{storage}/upstream'], where: host }",
      '{ of: status }',
      '16:24 kinds.store.commands.clearUpstream.of: clearUpstream acts, so it cannot be the answer of another command',
    ],
    [
      'a deadline on what another command does',
      'of: status,',
      'of: status, deadline: 3s,',
      '11:27 kinds.store.commands.role.deadline: role reads the answer of status: say deadline there',
    ],
    [
      'a regular expression that is none',
      'at ([0-9A-F/]+)',
      'at ([0-9A-F/]+',
      '12:43 kinds.store.commands.position.match: not a regular expression: Unterminated group',
    ],
    [
      'a regular expression without a value',
      'at ([0-9A-F/]+)',
      'at [0-9A-F/]+',
      '12:43 kinds.store.commands.position.match: the first group is the value: put one part in parentheses',
    ],
    [
      'a field of what is no JSON',
      "match: 'at ([0-9A-F/]+)'",
      'field: at',
      '12:43 kinds.store.commands.position.field: a field is of a json result, and this one is plain',
    ],
    [
      'a match in JSON',
      'of: status, field: role',
      "of: status, match: '(x)'",
      '11:27 kinds.store.commands.role.match: match is for a plain result, and this one is json',
    ],
    [
      'an exit code as a number',
      "match: 'at ([0-9A-F/]+)'",
      'result: exit-code',
      '12:43 kinds.store.commands.position.result: an exit code answers yes or no; position answers more than that',
    ],
    [
      'a role that is none',
      'slave: mirror',
      'slave: replica',
      '11:65 kinds.store.commands.role.words.slave: a role is leader or mirror, not "replica"',
    ],
    [
      'neither yes nor no',
      'result: exit-code',
      'words: { ok: fine }',
      '13:45 kinds.store.commands.ready.words.ok: ready is true or false, not "fine"',
    ],
    [
      'nothing to run',
      'run: [store, ping], ',
      '',
      '13:7 kinds.store.commands.ready: a command needs one of run, steps or of',
    ],
    [
      'two things to run',
      'run: [store, ping], ',
      'run: [store, ping], of: status, ',
      '13:7 kinds.store.commands.ready: a command has one of run, steps or of; this one has run and of',
    ],
    [
      'no word',
      'run: [store, ping]',
      'run: []',
      '13:16 kinds.store.commands.ready.run: a command needs at least one word: the program',
    ],
    [
      'an empty program',
      'run: [store, ping]',
      "run: ['', ping]",
      '13:22 kinds.store.commands.ready.run[0]: the first word is the program; this one is empty',
    ],
    [
      'a step without words',
      '{ run: [store, flush], deadline: 1m }',
      '{ deadline: 1m }',
      '19:13 kinds.store.commands.backup.steps[0].run: this is needed and missing',
    ],
    [
      'a word that is no text',
      'run: [store, ping]',
      'run: [store, 6379]',
      '13:29 kinds.store.commands.ready.run[1]: a word is text: quote it, as in "6379" and "{port.main}"',
    ],
    [
      'a line for a shell',
      'run: [store, ping]',
      'run: store ping',
      '13:16 kinds.store.commands.ready.run: a command is a list of words: [program, argument]',
    ],
    [
      'a place that is none',
      'where: host }\n      backup',
      'where: moon }\n      backup',
      '16:63 kinds.store.commands.clearUpstream.where: a command runs where: member (in its container) or host (as the agent)',
    ],
    [
      'a look that takes an hour',
      'deadline: 2s',
      'deadline: 1h',
      '10:53 kinds.store.commands.status.deadline: a deadline of status is 100ms to 5m',
    ],
    [
      'too much to read',
      'maxOutput: 1KiB',
      'maxOutput: 1GiB',
      '20:63 kinds.store.commands.backup.steps[1].maxOutput: maxOutput is 1B to 1MiB',
    ],
    [
      'a placeholder that means nothing',
      "{storage}/upstream'] }",
      "{stroage}/upstream'] }",
      '14:36 kinds.store.commands.storedUpstream.run[1]: {stroage} means nothing here; storedUpstream knows {member} {service} {storage} {image} {timeoutSeconds} {port.NAME}',
    ],
    [
      'a placeholder of another command',
      '[store, position]',
      "[store, '{directory}']",
      '12:32 kinds.store.commands.position.run[1]: {directory} is known to backup only; position knows {member} {service} {storage} {image} {timeoutSeconds} {port.NAME}',
    ],
    [
      'a port that its members lack',
      'ports: { sql: 5432 }',
      'ports: { mysql: 5432 }',
      '27:7 services.orders.members["00.orders"]: status of kind store says {port.sql}, and 00.orders has no port of that name: add it to `ports`',
    ],
    [
      'a part of a URL that has none',
      'image: store:7.2.0',
      'image: store:7.2.0\n    upstreamUrl: unix://{storage}/sock',
      "25:5 services.orders.upstreamUrl: setUpstream of kind store says {upstream.host}, and 00.orders's URL has none: unix:///srv/orders/00.orders/sock",
    ],
    [
      'mirrors that its commands cannot make',
      "      position: { run: [store, position], match: 'at ([0-9A-F/]+)' }\n",
      '',
      '22:5 services.orders.kind: 01.orders is a mirror, and kind store cannot have any: it lacks the command position',
    ],
    [
      'whole-stack updates of a tree',
      'image: store:7.2.0',
      'image: store:7.2.0\n    update: { strategy: whole-stack }',
      '25:15 services.orders.update.strategy: mirrors are updated one after another, the leader last: a tree is updated leafs-first',
    ],
  ];
  for (const [what, before, after, problem] of wrong)
    it(`refuse ${what}`, () => {
      expect(GOOD).to.include(before);
      expect(problems(GOOD.replace(before, after))).to.include(problem);
    });

  it('say which commands there are when one is not known', () => {
    expect(problems(GOOD.replace('ready:', 'raedy:'))).to.eql([
      `13:7 kinds.store.commands.raedy: there is no command of this name; commands are ${COMMANDS.join(', ')}`,
    ]);
  });

  it('name what is missing for backups, and what to do', () => {
    const without = GOOD.slice(0, GOOD.indexOf('      backup:')).concat(
      GOOD.slice(GOOD.indexOf('services:')),
    );
    expect(problems(without)).to.eql([
      '19:5 services.orders.kind: no update could ever start, since it needs a backup (I6) and kind store lacks the command backup: add it, or say update: { requireBackup: false }',
    ]);
    const said = without.replace(
      'image: store',
      'update: { requireBackup: false }\n    image: store',
    );
    expect(problems(said)).to.eql([]);
    expect(problems(said.replace('image: store', 'backup: {}\n    image: store'))).to.eql([
      '21:5 services.orders.backup: kind store lacks the command backup: add it, or leave `backup` out',
    ]);
    expect(problems(said.replace('host: bravo,', 'host: bravo, backupDirectory: /b,'))).to.eql([
      '25:33 services.orders.members["01.orders"].backupDirectory: kind store lacks the command backup: add it, or leave `backupDirectory` out',
    ]);
  });

  it('see to it that a container sees where backups go', () => {
    const inside = GOOD.replace(
      "[store, dump, '{directory}'], where: host",
      "[store, dump, '{directory}']",
    );
    const directed = inside.replace(
      'image:',
      'backup: { directory: "/backups/{member}" }\n    image:',
    );
    expect(problems(inside)).to.eql([]);
    expect(problems(directed)).to.eql([
      '24:15 services.orders.backup.directory: backup of kind store runs in the container, and no mount of 00.orders holds /backups/00.orders: add one, or say where: host',
      '24:15 services.orders.backup.directory: backup of kind store runs in the container, and no mount of 01.orders holds /backups/01.orders: add one, or say where: host',
    ]);
    const mounted = directed.replace(
      'image:',
      'mounts: [{ source: /backups, target: /backups }]\n    image:',
    );
    expect(problems(mounted)).to.eql([]);
    expect(
      problems(
        directed
          .replace('image:', 'runtime: process\n    command: [x]\n    image:')
          .replace('store:7.2.0', '/x-7.2.0'),
      ),
    ).to.eql([]);
  });

  it('are not called what no record can hold, nor is anything else', () => {
    const message = ': nothing can be called __proto__';
    expect(problems(GOOD.replace('  store:\n', '  __proto__:\n'))).to.eql([`6:3 ${message}`]);
    expect(problems(GOOD.replace('  orders:\n', '  __proto__:\n'))).to.eql([`22:3 ${message}`]);
    expect(problems(GOOD.replace('master: leader', '__proto__: leader'))).to.eql([
      `11:49 ${message}`,
    ]);
    expect(problems(GOOD.replace('[store, ping]', '[store, __proto__]'))).to.eql([]);
  });

  it('tell one slip once: a command of a wrong shape is not a missing one', () => {
    expect(problems(GOOD.replace('[store, position]', '[]'))).to.eql([
      '12:19 kinds.store.commands.position.run: a command needs at least one word: the program',
    ]);
  });
});

describe('kinds that are shipped and shown', () => {
  const root = new URL('../../../', import.meta.url);
  const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');
  const wrong = (text: string) => {
    const parsed = parseKinds(text);
    return parsed.ok ? [] : parsed.problems;
  };

  it('can be used, each by itself', () => {
    const engines = readdirSync(new URL('deploy/engines/', root));
    expect(engines).to.include.members(['postgresql', 'redis']);
    for (const engine of engines)
      expect(wrong(read(`deploy/engines/${engine}/kind.yaml`)), engine).to.eql([]);
  });

  it('are explained: every command, every placeholder, and examples that can be used', () => {
    const page = read('docs/engines/exec.md');
    const rows = [...page.matchAll(/^\| `(\w+)` +\|/gm)].map(([, name]) => name);
    expect(rows).to.include.members([...COMMANDS]);
    for (const placeholder of COMMANDS.flatMap((command) => placeholdersOf(command)))
      expect(page).to.include(`\`{${placeholder}}\``);
    const blocks = [...page.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, text = '']) => text);
    expect(blocks).to.have.length.above(1);
    for (const block of blocks) expect(wrong(block), block).to.eql([]);
  });
});

describe('a stack', () => {
  it('has one main process, workers in the order that is written, and the whole-stack update', () => {
    const stack = only(STACK.replace('image:', 'update: { strategy: whole-stack }\n    image:'));
    expect(stack.shape).to.equal('stack');
    expect(stack.update.strategy).to.equal('whole-stack');
    expect(stack.members.map(({ name }) => name)).to.eql(['main', 'zulu', 'alpha-1']);
  });

  const wrong: readonly (readonly [string, string, string, string])[] = [
    [
      'two main processes',
      'zulu: { host: alpha, upstream: main }',
      'zulu: { host: alpha }',
      '10:7 services.homeserver.members.zulu: main and zulu would both be the main process: give one of them the other as upstream',
    ],
    [
      'no main process',
      'main: { host: alpha }',
      'main: { host: alpha, upstream: zulu }',
      '8:5 services.homeserver.members: there is no main process: leave `upstream` out at one of them',
    ],
    [
      'a worker of a worker',
      'alpha-1: { host: alpha, upstream: main }',
      'alpha-1: { host: alpha, upstream: zulu }',
      '11:31 services.homeserver.members.alpha-1.upstream: a worker belongs to the main process, main: workers have no workers',
    ],
    [
      'a worker of itself',
      'zulu: { host: alpha, upstream: main }',
      'zulu: { host: alpha, upstream: zulu }',
      '10:28 services.homeserver.members.zulu.upstream: a worker belongs to the main process, main, not to itself',
    ],
    [
      'a failover',
      'image:',
      'failover: { onIsolation: keep }\n    image:',
      '7:5 services.homeserver.failover: matrix-synapse has a main process and workers, and no mirror that could take over: leave failover out',
    ],
    [
      'an update leafs first',
      'image:',
      'update: { strategy: leafs-first }\n    image:',
      '7:15 services.homeserver.update.strategy: workers cannot be of another version than their main process: a stack is updated whole-stack',
    ],
    [
      'a name that loses its place',
      'zulu:',
      '7:',
      '10:7 services.homeserver.members["7"]: a name that is a number has no place in the order of a stack: worker-7 has',
    ],
  ];
  for (const [what, before, after, problem] of wrong)
    it(`is not ${what}`, () => {
      expect(problems(STACK.replace(before, after))).to.include(problem);
    });
});

describe('malformed kinds', () => {
  const leaf = fc.oneof(
    fc.constantFrom<unknown>(null, true, 5, -1, '', 'x', '(', '{port.sql}', '{x}', '5s', '1KiB'),
    fc.constantFrom<unknown>('json', 'exit-code', 'host', 'role', 'status', [], {}, [null], [[]]),
    fc.string(),
  );
  const key = fc.constantFrom(
    ...['run', 'steps', 'of', 'where', 'deadline', 'maxOutput', 'result', 'field', 'match'],
    ...['words', '__proto__', 'constructor'],
  );
  const step = fc.dictionary(key, leaf, { maxKeys: 4 });
  const command = fc.oneof(
    leaf,
    fc.dictionary(key, fc.oneof(leaf, fc.array(leaf), fc.array(step), step), { maxKeys: 6 }),
  );
  const commands = fc.oneof(
    leaf,
    fc.dictionary(fc.oneof(fc.constantFrom<string>(...COMMANDS), key), command, { maxKeys: 8 }),
  );
  const kind = fc.oneof(
    leaf,
    fc.record(
      { commands, positions: leaf, migration: fc.oneof(leaf, fc.dictionary(fc.string(), leaf)) },
      { requiredKeys: [] },
    ),
  );

  it('are told and never thrown, and what passes has every default', () => {
    fc.assert(
      fc.property(fc.oneof(leaf, fc.dictionary(fc.constantFrom('store', 'x'), kind)), (kinds) => {
        const result = parseManifest(
          stringify({
            fleet: 'shop',
            hosts: { alpha: null },
            kinds,
            services: {
              orders: {
                kind: 'store',
                image: 'store:1',
                update: { requireBackup: false },
                members: { '00.orders': { host: 'alpha' } },
              },
            },
          }),
        );
        if (!result.ok) {
          expect(result.problems).not.to.eql([]);
          return;
        }
        for (const { steps, of } of Object.values(
          result.manifest.services[0]?.exec?.commands ?? {},
        )) {
          expect(steps.length > 0).to.equal(of === undefined);
          for (const { run, deadlineMs, maxOutputBytes } of steps) {
            expect(run.length).to.be.greaterThan(0);
            expect(deadlineMs).to.be.within(100, 604_800_000);
            expect(maxOutputBytes).to.be.within(1, 1_048_576);
          }
        }
      }),
    );
  });
});
