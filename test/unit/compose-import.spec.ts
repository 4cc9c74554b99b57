// What runs by compose files becomes a manifest: read as Compose reads it, with the place of each thing, without a secret.
import { expect } from 'chai';
import { parseManifest } from '@leafward/shared/manifest/parse.js';
import { parseEnvFile } from '@leafward/controller/compose/env-file.js';
import type { StorageFiles } from '@leafward/controller/compose/find-cell.js';
import { importCompose, type Imported } from '@leafward/controller/compose/import-compose.js';
import type { ContainerAt } from '@leafward/controller/compose/imported.js';
import { interpolate } from '@leafward/controller/compose/interpolate.js';
import { readCompose } from '@leafward/controller/compose/read-compose.js';
import {
  durationMs,
  portOf,
  sizeBytes,
  splitWords,
} from '@leafward/controller/compose/words-of.js';

const PASSWORD = 'hunter2';
const ONCE = 'ssl://aha.loop:27272/8c5eeeafdc569b5a0642ee451205efae?certhash=ab';

const compose = (member: string, more = ''): string =>
  [
    'services:',
    `  ${member}:`,
    '    image: vertexproject/synapse-cortex:${TAG:-v2.113.0}',
    '    user: "999"',
    '    network_mode: host',
    '    restart: unless-stopped',
    '    env_file: cell.env',
    '    volumes: ["./storage:/vertex/storage", "./boothooks:/vertex/boothooks:ro"]',
    `    environment: ["SYN_CORTEX_AHA_PROVISION=${ONCE}", SYN_CORTEX_AXON=aha://axon...]`,
    more,
  ].join('\n');

const read = (member: string, text: string, files: Readonly<Record<string, string>> = {}) =>
  readCompose({
    file: `/srv/syn/${member}/docker-compose.yaml`,
    text,
    directory: `/srv/syn/${member}`,
    variables: {},
    readFile: (path) => files[path],
  });

const CELL_ENV = `SYN_LOG_LEVEL=INFO # chatty\nSYN_CORTEX_AUTH_PASSWD='${PASSWORD}'\n`;

function cells(options: {
  readonly members: readonly string[];
  readonly mirror?: string;
  readonly into?: string;
  readonly at?: (storage: string) => ContainerAt;
  readonly host?: string;
}): Imported {
  const { mirror = 'aha://root:pw@cortex.loop', members } = options;
  const files = members.map((member) =>
    read(member, compose(member), { [`/srv/syn/${member}/cell.env`]: CELL_ENV }),
  );
  expect(files.flatMap(({ problems }) => problems)).to.deep.equal([]);
  return importCompose(files, {
    fleet: 'loop',
    host: options.host ?? 'alpha',
    into: options.into,
    filesOf: (storage): StorageFiles => {
      const name = storage.split('/')[3] ?? '';
      const cell = `aha:name: ${name}\naha:network: loop\nmirror: ${mirror}\n`;
      const mods = name.startsWith('00.') ? { 'cell.mods.yaml': 'mirror: null\n' } : {};
      return { isReadable: true, texts: { 'cell.yaml': cell, 'prov.done': '', ...mods } };
    },
    containerAt:
      options.at ??
      ((storage) => ({ kind: 'found', name: `c-${storage.slice(9, 11)}`, isRunning: true })),
  });
}

const GOLDEN = `fleet: loop
hosts:
  alpha: {}
services:
  cortex:
    kind: synapse
    image: vertexproject/synapse-cortex:v2.113.0
    upstreamUrl: aha://{member}.loop
    engine:
      leaderAlias: aha://cortex.loop
    members:
      # from /srv/syn/00.cortex/docker-compose.yaml, line 2, service 00.cortex
      # leads, by cell.mods.yaml
      # restart: unless-stopped becomes no: its agent starts it (I2)
      # SYN_CORTEX_AHA_PROVISION is left out: its one-time URL was used (prov.done)
      00.cortex:
        host: alpha
        container: c-00
        environment:
          SYN_LOG_LEVEL: INFO
          SYN_CORTEX_AUTH_PASSWD:
            secret: 00.cortex-cortex-auth-passwd
          SYN_CORTEX_AXON: aha://axon...
        mounts:
          - source: /srv/syn/00.cortex/boothooks
            target: /vertex/boothooks
            readOnly: true
      # from /srv/syn/01.cortex/docker-compose.yaml, line 2, service 01.cortex
      # mirrors aha://cortex.loop, by cell.yaml
      # restart: unless-stopped becomes no: its agent starts it (I2)
      # SYN_CORTEX_AHA_PROVISION is left out: its one-time URL was used (prov.done)
      01.cortex:
        host: alpha
        upstream: 00.cortex
        container: c-01
        environment:
          SYN_LOG_LEVEL: INFO
          SYN_CORTEX_AUTH_PASSWD:
            secret: 01.cortex-cortex-auth-passwd
          SYN_CORTEX_AXON: aha://axon...
        mounts:
          - source: /srv/syn/01.cortex/boothooks
            target: /vertex/boothooks
            readOnly: true
`;

describe('an import of compose files', () => {
  it('says what runs, where each thing came from, and no secret’s value (I14)', () => {
    const imported = cells({ members: ['00.cortex', '01.cortex'] });
    expect(imported.manifest.replace(/^#.*\n#.*\n\n/, '')).to.equal(GOLDEN);
    expect(imported.problems).to.deep.equal([]);
    expect(imported.secrets[0]).to.deep.equal({
      name: '00.cortex-cortex-auth-passwd',
      variable: 'SYN_CORTEX_AUTH_PASSWD',
      member: '00.cortex',
      file: '/srv/syn/00.cortex/cell.env',
    });
    for (const secret of [PASSWORD, ONCE, ':pw@'])
      expect(JSON.stringify(imported)).not.to.include(secret);
  });

  it('merges host after host, keeps what is there, and says what is missing until then', () => {
    const mirror = cells({ members: ['01.cortex'], host: 'bravo', mirror: 'aha://00.cortex.loop' });
    expect(mirror.problems.map(({ message }) => message).join()).to.include('no member 00.cortex');
    const into = `# mine\n${mirror.manifest}`;
    const whole = cells({ members: ['00.cortex'], mirror: 'aha://00.cortex.loop', into });
    expect(whole.problems).to.deep.equal([]);
    expect(whole.manifest).to.match(/^# mine\n/);
    const parsed = parseManifest(whole.manifest);
    const members = parsed.ok ? parsed.manifest.services.flatMap((service) => service.members) : [];
    expect(members.map(({ name, host, upstream }) => [name, host, upstream])).to.deep.equal([
      ['01.cortex', 'bravo', '00.cortex'],
      ['00.cortex', 'alpha', undefined],
    ]);
    const again = cells({
      members: ['00.cortex'],
      mirror: 'aha://00.cortex.loop',
      into: whole.manifest,
    });
    expect(again.manifest).to.equal(whole.manifest);
    const elsewhere = (): unknown =>
      cells({ members: ['00.cortex'], into: whole.manifest, host: 'delta' });
    expect(elsewhere).to.throw('has it on alpha already');
  });

  it('writes no secret of a command either (I14)', () => {
    const more = `    command: [serve, --auth-passwd, ${PASSWORD}, "--token=${PASSWORD}", tcp://u:${PASSWORD}@h/, /vertex/storage]`;
    const file = read('00.cortex', compose('00.cortex', more), {
      '/srv/syn/00.cortex/cell.env': '',
    });
    const { manifest } = importCompose([file], {
      ...{ fleet: 'loop', host: 'alpha' },
      filesOf: () => ({ isReadable: false, texts: {} }),
      containerAt: () => ({ kind: 'none' }),
    });
    expect(manifest).not.to.include(PASSWORD);
    expect(manifest).to.include('UNKNOWN: its command holds a secret');
    expect(parseManifest(manifest)).to.have.property('ok', true);
  });

  it('marks what nobody could tell it', () => {
    const guessed = cells({ members: ['00.cortex'], at: () => ({ kind: 'unknown' }) });
    expect(guessed.manifest).to.include('container: 00cortex-00.cortex-1');
    expect(guessed.manifest).to.include('# UNKNOWN: the Engine did not answer');
    const gone = cells({ members: ['00.cortex'], at: () => ({ kind: 'none' }) });
    expect(gone.manifest).not.to.include('container:');
  });

  it('tells every problem with its line', () => {
    const more =
      '    extends: { service: x }\n    stop_grace_period: soon\n    ports: ["80-90:80"]';
    const { problems } = read('00.cortex', compose('00.cortex', more));
    expect(problems.map(({ line, message }) => `${line}: ${message}`)).to.deep.equal([
      '10: extends of 00.cortex is not followed: write what it means into this file',
      '7: the env_file /srv/syn/00.cortex/cell.env of 00.cortex cannot be read',
      '12: 80-90:80 is no port HOST:CONTAINER of TCP, one at a time',
      '11: soon is no duration such as 1m30s',
    ]);
    expect(read('x', 'a: [').problems[0]).to.include({ line: 1 });
    expect(read('x', 'version: "3"').problems[0]?.message).to.include('no services');
  });

  it('reads other forms: mappings, named volumes, published ports, limits', () => {
    const text = [
      'name: syn',
      'volumes: { data: , ext: { external: true } }',
      'services:',
      '  cortex:',
      '    image: vertexproject/synapse-cortex:v2.1.0',
      '    command: python -m "synapse.servers.cortex" /vertex/storage',
      '    environment: { SYN_LOG_LEVEL: DEBUG, EMPTY: }',
      '    volumes: [{ type: volume, source: data, target: /vertex/storage }, "ext:/other:ro"]',
      '    ports: ["127.0.0.1:4444:4443"]',
      '    ulimits: { nofile: { soft: 1024, hard: 2048 } }',
      '    deploy: { resources: { limits: { memory: 2g } } }',
      '    networks: [default]',
    ].join('\n');
    const [service] = read('cortex', text).services;
    expect(service).to.deep.include({
      command: ['python', '-m', 'synapse.servers.cortex', '/vertex/storage'],
      networkMode: 'syn_default',
      ports: [{ host: 4444, container: 4443, address: '127.0.0.1' }],
      openFiles: 1024,
      memoryBytes: 2 * 2 ** 30,
    });
    expect(service?.volumes.map(({ source, readOnly }) => [source, readOnly])).to.deep.equal([
      ['/var/lib/docker/volumes/syn_data/_data', false],
      ['/var/lib/docker/volumes/ext/_data', true],
    ]);
    expect(Object.keys(service?.environment ?? {})).to.deep.equal(['SYN_LOG_LEVEL']);
  });
});

describe('words of compose files', () => {
  it('fills variables in as Compose does', () => {
    const problems: string[] = [];
    const filled = (text: string): string =>
      interpolate(text, { A: 'a', EMPTY: '' }, (problem) => problems.push(problem));
    expect(
      filled('$A ${A} $$A ${B:-b} ${EMPTY:-e} ${EMPTY-e} ${A:+yes} ${B+no} ${B:-${A}}'),
    ).to.equal('a a $A b e  yes  a');
    expect(problems).to.deep.equal([]);
    expect(filled('${B:?say it} $C')).to.equal(' ');
    expect(problems).to.deep.equal([
      'the variable B is needed and not set: say it',
      'the variable C is not set; put it into .env',
    ]);
  });

  it('reads files of variables', () => {
    expect(
      parseEnvFile('# no\nexport A=1\nB="x\\n#y"\nC=\'$A # z\'\nD=a b # c\nE=\nF\n'),
    ).to.deep.equal({ A: '1', B: 'x\n#y', C: '$A # z', D: 'a b', E: '', F: undefined });
  });

  it('reads durations, sizes, ports and commands', () => {
    expect(['1m30s', '500ms', '10', 'soon'].map(durationMs)).to.deep.equal([
      90_000,
      500,
      10_000,
      undefined,
    ]);
    expect(['512m', '2gb', '1024', 'x'].map(sizeBytes)).to.deep.equal([
      2 ** 29,
      2 ** 31,
      1024,
      undefined,
    ]);
    expect(portOf('[::1]:80:81/tcp')).to.deep.equal({ host: 80, container: 81, address: '::1' });
    expect(portOf('80')).to.equal(undefined);
    expect(splitWords(`a 'b c' "d \\"e" f\\ g`)).to.deep.equal(['a', 'b c', 'd "e', 'f g']);
  });
});
