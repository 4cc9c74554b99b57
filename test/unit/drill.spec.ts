// What a drill concludes from what a booted copy says, when it gives up, and what it hands to the program that it boots.
import { expect } from 'chai';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '@leafward/shared/clock.js';
import type { EngineFact, ExecEngine, MemberIntent } from '@leafward/shared/gen/domain.js';
import { createLogger } from '@leafward/shared/log.js';
import { untilUp, type Booting } from '@leafward/agent/drill/boot.js';
import { notYetUp, problemsOf } from '@leafward/agent/drill/compare.js';
import { drillMember } from '@leafward/agent/drill/drill-member.js';
import { openLeftovers } from '@leafward/agent/drill/leftovers.js';
import { findRoom } from '@leafward/agent/drill/place.js';
import type { Runtime } from '@leafward/agent/runtimes/runtime.js';

const signal = new AbortController().signal;
const recorded = { iden: 'i1', version: '2.113.0', position: 40 };
const fact: EngineFact = {
  ...{ answered: true, active: true, ready: true, readOnly: false },
  ...{ iden: 'i1', version: '2.113.0', position: 40 },
};
const held = { image: { version: '2.113.0' }, keepsPosition: true };
const spec = {
  kind: 'synapse',
  runtime: 'docker' as const,
  image: { reference: 'cortex:2.113.0', digest: 'sha256:1', version: '2.113.0' },
  command: [],
  environment: { SYN_CORTEX_AHA_PROVISION: 'ssl://aha', SYN_CORTEX_MIRROR: 'aha://', OTHER: '1' },
  mounts: [
    { source: '/srv/backups', target: '/vertex/backups', readOnly: false },
    { source: '/etc/cortex', target: '/etc/cortex', readOnly: false },
    { source: '/run/others', target: '/others', readOnly: true },
    { source: '/srv', target: '/srv', readOnly: true },
  ],
  storage: '/srv/cortex',
  storageTarget: '/vertex/storage',
  backupDirectory: '/srv/backups',
  networkMode: 'host',
  limits: { memoryBytes: 1000 },
  ports: { telepath: 27492 },
  stopGraceMs: 1000,
  engineOptions: {},
};
const intent: MemberIntent = {
  ...{ member: '01.cortex', service: 'cortex', term: 3, role: 'mirror', run: 'running' },
  ...{ spec, mirrored: true, upstream: { member: '00.cortex', url: 'aha://00.cortex' } },
} as unknown as MemberIntent;

describe('what a copy of a backup says of itself', () => {
  it('proves it when it is who it was, at least where it was, and leads', () => {
    expect(problemsOf(recorded, fact, held)).to.deep.equal([]);
    expect(problemsOf(recorded, { ...fact, position: 41 }, held)).to.deep.equal([]);
    expect(notYetUp(fact)).to.equal(undefined);
  });

  it('proves nothing that was not recorded, and misses nothing that was', () => {
    const mute = { ...fact, iden: undefined, version: undefined, position: undefined };
    expect(problemsOf({}, mute, held)).to.deep.equal([]);
    expect(problemsOf(recorded, mute, held)).to.have.length(3);
  });

  for (const [what, changed, problem] of [
    ['another identity', { iden: 'i2' }, 'it is i2, and was i1 when the backup was taken'],
    ['a position behind', { position: 39 }, "it is at position 39, behind the backup's 40"],
    ['no writes', { readOnly: true }, 'it takes no writes'],
    ['a mirror', { active: false }, 'it does not lead, though nobody else is there'],
    ['not ready', { ready: false }, 'it says that it is not ready'],
    [
      'an older program',
      { version: '2.100.0' },
      "it is of version 2.100.0, older than the backup's 2.113.0",
    ],
    [
      'another program than its image',
      { version: '2.150.0' },
      'it is of version 2.150.0, and its image is of 2.113.0',
    ],
  ] as const)
    it(`fails it for ${what}`, () => {
      expect(problemsOf(recorded, { ...fact, ...changed }, held)).to.deep.equal([problem]);
    });

  it('fails no backup because its member was updated since', () => {
    const newer = { ...fact, version: '2.150.0' };
    const image = { version: '2.150.0' };
    expect(problemsOf(recorded, newer, { ...held, image })).to.deep.equal([]);
  });

  it('compares no position of a kind whose positions begin anew at each start', () => {
    const anew = { ...fact, position: 0 };
    expect(problemsOf(recorded, anew, { ...held, keepsPosition: false })).to.deep.equal([]);
  });
});

describe('the program that a drill boots', () => {
  const place = { id: '00000001', root: '/srv/backups/.leafward-drill-00000001' };
  const options = { image: spec.image, sockets: new Set(['/run/others']) };

  it('has another storage and name, no upstream, and nothing of its fleet', () => {
    const { member, spec: drilled, role, upstreamUrl } = drillMember(intent, place, options);
    expect([member, role, upstreamUrl]).to.deep.equal(['drill-00000001', 'leader', undefined]);
    expect(drilled.environment).to.deep.equal({ OTHER: '1' });
    expect([drilled.storage, drilled.networkMode]).to.deep.equal([`${place.root}/data`, 'none']);
    expect(drilled.limits).to.deep.equal(spec.limits);
    expect(drilled.mounts).to.deep.equal([
      { source: `${place.root}/backups`, target: '/vertex/backups', readOnly: false },
      { source: '/etc/cortex', target: '/etc/cortex', readOnly: true },
    ]);
  });

  it('runs no command where it could meet the live one', () => {
    const step = { run: ['x'], deadlineMs: 1, maxOutputBytes: 1 };
    const commands = (where: 'host' | 'member') =>
      Object.fromEntries(
        ['restore', 'role', 'position'].map((name) => [
          name,
          { steps: [{ ...step, place: where }], format: 'text' },
        ]),
      );
    const of = (runtime: 'docker' | 'process', where: 'host' | 'member'): MemberIntent => {
      const exec = { commands: commands(where), positions: 'number' } as unknown as ExecEngine;
      return { ...intent, exec, spec: { ...spec, kind: 'redis', runtime } };
    };
    expect(() => drillMember(of('docker', 'host'), place, options)).to.throw(/run on the host/);
    drillMember(of('docker', 'member'), place, options);
    const { exec } = drillMember(of('process', 'host'), place, options);
    expect(exec?.commands['role']?.steps[0]?.place).to.equal('member');
  });

  it('is none for a kind whose data a backup does not hold', () => {
    const matrix = { ...intent, spec: { ...spec, kind: 'matrix-synapse' } };
    expect(() => drillMember(matrix, place, options)).to.throw(/database/);
  });
});

/** A clock that goes on when somebody sleeps, and a service that does at each look what it is told. */
function boot(looks: readonly (EngineFact & { line?: string })[], timeoutMs: number): Booting {
  let now = 0;
  let at = -1;
  const seen = () => looks[Math.min(at, looks.length - 1)] ?? { answered: false };
  const clock = {
    now: () => now,
    monotonic: () => now,
    sleep: (ms: number) => Promise.resolve(void (now += ms)),
  } as unknown as Clock;
  const engine = {
    observe: () => Promise.resolve(((at += 1), seen())),
    migrationIn: (line: string) => (line.startsWith('migrating') ? 'running' : undefined),
  } as unknown as Booting['engine'];
  const runtime = {
    inspect: () => Promise.resolve({ state: 'running', startedAt: 0 }),
    tail: () => Promise.resolve([seen().line ?? 'token=hush, a line']),
  } as unknown as Runtime;
  const member = drillMember(
    intent,
    { id: '00000001', root: '/d' },
    { image: spec.image, sockets: new Set() },
  );
  const redact = (text: string): string => text.replaceAll('hush', '[hidden]');
  return { member, engine, runtime, clock, timeoutMs, redact, onProgress: () => undefined };
}

describe('a copy that is booted', () => {
  const silent = { answered: false, error: 'nobody listens' };

  it('is given up at its deadline, with what it said last and without secrets', async () => {
    const booted = await untilUp(boot([silent], 10_000), signal);
    expect(booted.problems[0]).to.match(/^it was not up after 1\d s: .*nobody listens/);
    expect(booted.problems[1]).to.include('it printed: token=');
    expect(booted.problems.join()).to.not.include('hush');
  });

  it('has more time for as long as it says that it migrates', async () => {
    const migrating = { ...silent, line: 'migrating layer 3' };
    const looks = [...Array<EngineFact & { line?: string }>(60).fill(migrating), fact];
    const booted = await untilUp(boot(looks, 5000), signal);
    expect(booted.problems).to.deep.equal([]);
    expect(booted.migrationMs).to.be.within(25_000, 31_000);
  });
});

describe('the place of a drill', () => {
  let directory = '';
  beforeEach(async () => (directory = await mkdtemp(join(tmpdir(), 'leafward-drill-'))));
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('is refused with figures where there is no room, beside a storage rather than in it', async () => {
    const storage = join(directory, 'cell');
    const path = join(storage, 'backups/b1');
    await mkdir(path, { recursive: true });
    const backup = { name: 'b1', path, sizeBytes: 1 };
    const placed = { ...spec, storage, backupDirectory: undefined };
    const error: unknown = await findRoom({ ...backup, sizeBytes: 1e18 }, placed).catch(
      (thrown: unknown) => thrown,
    );
    expect(String(error)).to.match(/\[exhausted\].*MB free and it needs 1100000\d+\.\d MB/);
    // Beside the storage first: what is in one is emptied and set aside with it.
    expect(String(error))
      .to.include(`copy: ${directory} has`)
      .and.include(`${storage}/backups has`);
  });

  it('is forgotten only when its program is gone and its files are; a record of anything else is not believed', async () => {
    const root = join(directory, '.leafward-drill-0000000a');
    const precious = join(directory, 'precious');
    const records = join(directory, 'drills');
    for (const path of [root, precious]) await mkdir(path);
    const stopped: string[] = [];
    let isDown = true;
    const runtime = {
      stop: (member: string) =>
        isDown
          ? Promise.reject(new Error('no Engine'))
          : Promise.resolve(void stopped.push(member)),
      remove: () => Promise.resolve(),
    } as unknown as Runtime;
    const log = createLogger('test', 'silent');
    const leftovers = openLeftovers({ directory: records, runtime: () => runtime, log });
    await leftovers.note({ id: '0000000a', runtime: 'docker', root });
    await writeFile(
      join(records, '0000000b.json'),
      JSON.stringify({ id: '0000000b', runtime: 'docker', root: precious }),
    );
    expect(await leftovers.sweep()).to.equal(false);
    expect(await readdir(records)).to.have.length(2);
    isDown = false;
    await leftovers.sweep();
    expect(stopped).to.deep.equal(['drill-0000000a']);
    expect(await readdir(directory)).to.have.members(['drills', 'precious']);
    expect(await readdir(records)).to.deep.equal(['0000000b.json']);
  });
});
