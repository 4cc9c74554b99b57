// Containers of others, as the Docker runtime judges them: whose they are, what is different about them, never a value.
import { expect } from 'chai';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MemberSpec } from '@leafward/shared/gen/domain.js';
import { parseManifest } from '@leafward/shared/manifest/parse.js';
import { specDigestOf } from '@leafward/shared/spec-digest.js';
import { lookAtContainer } from '@leafward/agent/requests/acts/look-at-container.js';
import { createBootHooks } from '@leafward/agent/boot-hooks.js';
import { isAdoptable, withAdopted } from '@leafward/agent/runtimes/docker/adoption.js';
import type { EngineContainer } from '@leafward/agent/runtimes/docker/container-fact.js';
import { differencesOf } from '@leafward/agent/runtimes/docker/differences.js';

const digest = `sha256:${'a'.repeat(64)}`;
const spec: MemberSpec = {
  kind: 'synapse',
  runtime: 'docker',
  image: { reference: 'cortex:v2.113.0', digest },
  command: [],
  user: '0',
  environment: { LEVEL: 'INFO' },
  secretEnvironment: { variables: { PASSWORD: { name: 'root', version: 1 } } },
  mounts: [],
  storage: '/srv/syn/00.cortex/storage',
  storageTarget: '/vertex/storage',
  networkMode: 'host',
  limits: {},
  ports: { telepath: 27_492 },
  stopGraceMs: 120_000,
  engineOptions: {},
};
const container = (change: Partial<EngineContainer> = {}): EngineContainer => ({
  Id: 'c0',
  Name: '/cortex_1',
  State: {
    Status: 'running',
    Running: true,
    OOMKilled: false,
    ExitCode: 0,
    Error: '',
    StartedAt: '',
  },
  HostConfig: { NetworkMode: 'host', RestartPolicy: { Name: 'always' } },
  Config: {
    Image: 'cortex:v2.113.0',
    Env: ['PATH=/bin', 'LEVEL=INFO', 'PASSWORD=hunter2'],
    Cmd: ['run'],
  },
  Mounts: [{ Source: spec.storage, Destination: '/vertex/storage', RW: true }],
  ...change,
});
const image = { environment: ['PATH=/bin'], command: ['run'], user: '' };
const differences = (change: Partial<EngineContainer> = {}, wanted: Partial<MemberSpec> = {}) =>
  differencesOf({ container: container(change), digest, image, spec: { ...spec, ...wanted } });

describe('a container that Leafward did not make', () => {
  it('is the same where the same would be made', () => {
    expect(differences()).to.deep.equal([]);
  });

  it('tells what is different, and names of variables without their values (I14)', () => {
    const found = differences(
      {
        Config: {
          Image: 'cortex:v2.100.0',
          User: '999',
          Env: ['LEVEL=hunter2', 'ONCE=hunter3'],
          Cmd: ['x'],
        },
        HostConfig: { NetworkMode: 'default', Memory: 1024 },
      },
      { mounts: [{ source: '/etc/ssl', target: '/etc/ssl', readOnly: true }] },
    );
    expect(found.map(({ path, before, after }) => `${path}: ${before} → ${after}`)).to.deep.equal([
      'command: its own → run',
      'environment.LEVEL: set → set anew',
      'environment.ONCE: set → not set',
      'environment.PASSWORD: not set → set',
      'limits.memoryBytes: 1024 → ',
      'mounts./etc/ssl:  → /etc/ssl (read-only)',
      'networkMode: bridge → host',
      'user: 999 → 0',
    ]);
    expect(JSON.stringify(found)).not.to.include('hunter');
  });

  it('is a member’s only while it holds its storage, and bears no other’s label', () => {
    expect(isAdoptable(container(), spec.storage)).to.equal(true);
    expect(isAdoptable(container(), '/srv/other')).to.equal(false);
    const labelled = { ...container().Config, Labels: { 'leafward.member': '07.cortex' } };
    expect(isAdoptable(container({ Config: labelled }), spec.storage)).to.equal(false);
  });

  it('is a stranger again once it was replaced (I9)', () => {
    const listed = {
      name: 'cortex_1',
      running: true,
      writes: [spec.storage],
      restartPolicy: 'no',
      networkMode: 'host',
    };
    const adopted = {
      member: '00.cortex',
      container: 'cortex_1',
      storage: spec.storage,
      specDigest: 'd',
    };
    expect(withAdopted([listed], [adopted])[0]?.member).to.equal('00.cortex');
    const made = { ...listed, name: 'leafward-00.cortex', member: '00.cortex' };
    expect(withAdopted([listed, made], [adopted])[0]?.member).to.equal(undefined);
  });
});

describe('a look at a container of others', () => {
  it('tells whom its cell mirrors without the password that its file has (I14)', async () => {
    const wanted = { member: '01.cortex', service: 'cortex', spec, adoption: { container: 'c' } };
    const look = { container: 'c', state: 'running', holdsStorage: true };
    const engine = {
      observe: () => Promise.resolve({ answered: true, active: false, iden: 'ab' }),
      readStoredRole: () =>
        Promise.resolve({ upstreamUrl: 'tcp://root:hunter2@10.0.0.1:27492/cortex' }),
      forget: () => undefined,
    };
    const parts = {
      runtime: () => ({ name: 'docker', lookAt: () => Promise.resolve(look) }),
      engineOf: () => engine,
      journal: { state: {} },
    };
    const turn = { parts, signal: AbortSignal.timeout(60_000) };
    const said = await lookAtContainer({ wanted } as never, turn as never);
    expect(said.look?.upstreamUrl).to.equal('tcp://root@10.0.0.1:27492/cortex');
  });
});

describe('boot hooks', () => {
  let directory: string;
  beforeEach(async () => void (directory = await mkdtemp(join(tmpdir(), 'lw-hooks-'))));
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('are written outside the storage, executable, and mounted read-only', async () => {
    const hooked = { ...spec, hooks: { preboot: '#!/bin/sh\ntrue' } };
    const made = {
      member: '00.cortex',
      service: 'cortex',
      spec: hooked,
      specDigest: specDigestOf(hooked),
    };
    const hooks = createBootHooks(directory);
    const source = join(directory, 'hooks/00.cortex/preboot.sh');
    expect((await hooks.prepare(made)).spec.mounts).to.deep.equal([
      { source, target: '/vertex/boothooks/preboot.sh', readOnly: true },
    ]);
    expect(await readFile(source, 'utf8')).to.equal('#!/bin/sh\ntrue\n');
    expect((await stat(source)).mode & 0o777).to.equal(0o755);
    await writeFile(source, 'changed by hand');
    await hooks.restore('00.cortex', hooked);
    expect(await readFile(source, 'utf8')).to.equal('#!/bin/sh\ntrue\n');
  });

  it('change the spec, and are nothing where there are none', async () => {
    const hooked = { ...spec, hooks: { preboot: '#!/bin/sh' } };
    expect(specDigestOf(hooked)).not.to.equal(specDigestOf(spec));
    const made = { member: '00.cortex', service: 'cortex', spec, specDigest: 'd' };
    expect(await createBootHooks(directory).prepare(made)).to.equal(made);
  });
});

describe('a manifest with containers and hooks', () => {
  const parse = (service: string, member: string, kind = 'kind: synapse') =>
    parseManifest(
      `fleet: loop\nhosts: { alpha: }\nservices:\n  cortex:\n    ${kind}\n    image: /i\n    ${service}\n    members:\n      00.cortex: { host: alpha, ${member} }\n`,
    );
  const problems = (...of: Parameters<typeof parse>): readonly string[] => {
    const parsed = parse(...of);
    return parsed.ok ? [] : parsed.problems.map(({ path, message }) => `${path}: ${message}`);
  };

  it('mounts the host’s own scripts, and hands over those that are text', () => {
    const parsed = parse(
      'hooks: { preboot: /srv/pre.sh, concurrent: "#!/bin/sh" }',
      'container: c0',
    );
    const [member] = parsed.ok ? (parsed.manifest.services[0]?.members ?? []) : [];
    expect(member).to.deep.include({ container: 'c0', hooks: { concurrent: '#!/bin/sh' } });
    expect(member?.mounts).to.deep.equal([
      { source: '/srv/pre.sh', target: '/vertex/boothooks/preboot.sh', readOnly: true },
    ]);
  });

  it('refuses what means nothing', () => {
    expect(problems('runtime: process', 'command: [x], container: c0')[0]).to.match(
      /^services\.cortex\.members\["00\.cortex"\]\.container: only a container can be taken over/,
    );
    expect(problems('user: "1"', 'container: c0', 'kind: matrix-synapse').join()).to.include(
      'kind synapse',
    );
    expect(problems('user: "1"', 'hooks: { preboot: "echo" }')[0]).to.include('begins with "#!"');
    expect(problems('user: "1"', 'container: "a b"')[0]).to.include('docker ps');
  });
});
