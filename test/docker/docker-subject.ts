// A Docker runtime over a real Engine, with the conformance suite's program as an image by digest.
import { mkdirSync } from 'node:fs';
import { readFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Image, MemberSpec } from '@leafward/shared/gen/domain.js';
import { createLogger } from '@leafward/shared/log.js';
import { specDigestOf } from '@leafward/shared/spec-digest.js';
import { createDockerRuntime } from '@leafward/agent/runtimes/docker/docker-runtime.js';
import type { EngineDeadlines } from '@leafward/agent/runtimes/docker/deadlines.js';
import type { ContainerSpec, Runtime } from '@leafward/agent/runtimes/runtime.js';
import { MEMBER_SCRIPT, type Behaviour, type RuntimeSubject } from '../conformance/runtime.js';
import { startLoneEngine, type LoneEngine } from '../rig/lone-engine.js';

export const signal: AbortSignal = new AbortController().signal;
/** Set LEAFWARD_LOG=debug to see what the runtime says. */
export const log = createLogger('docker-test', process.env.LEAFWARD_LOG ?? 'silent');

export interface EngineUnderTest extends LoneEngine {
  readonly runtime: Runtime;
  /** The conformance suite's program, in the registry. */
  readonly image: Image;
  newRuntime(deadlines?: Partial<EngineDeadlines>): Runtime;
  container(member: string, behaviour?: Behaviour, change?: Partial<MemberSpec>): ContainerSpec;
  /** Pulled, created, started, and its program has begun. */
  begin(member: string, behaviour?: Behaviour): Promise<ContainerSpec>;
  /** Its storage exists from the moment it is asked for. */
  storageOf(member: string): Promise<string>;
  readonly runs: (member: string) => Promise<number>;
}

export async function startEngineUnderTest(
  options: Parameters<typeof startLoneEngine>[0] = {},
): Promise<EngineUnderTest> {
  const lone = await startLoneEngine(options);
  const built = await lone.buildImage({
    files: { '/member': MEMBER_SCRIPT },
    command: ['/member'],
    labels: { 'org.opencontainers.image.version': '2.113.0' },
  });
  const digest = await lone.registry.push(built, 'test/member', '2.113.0');
  const image = { reference: `${lone.registry.address}/test/member:2.113.0`, digest };
  const newRuntime = (deadlines: Partial<EngineDeadlines> = {}): Runtime =>
    createDockerRuntime({ socketPath: lone.engine.socketPath, log, deadlines });
  const runtime = newRuntime();
  const storages = join(lone.directory, 'storage');
  await mkdir(storages);
  const storageOf = async (member: string): Promise<string> => {
    const path = join(storages, member);
    await mkdir(path, { recursive: true });
    return path;
  };
  const runs = async (member: string): Promise<number> => {
    const path = join(await storageOf(member), 'runs');
    return (await readFile(path, 'utf8').catch(() => '')).split('\n').length - 1;
  };
  const container: EngineUnderTest['container'] = (member, behaviour = 'obedient', change = {}) => {
    const spec = { ...specOf(member, behaviour, image, storages), ...change };
    return { member, service: 'test', spec, specDigest: specDigestOf(spec) };
  };
  return {
    ...lone,
    runtime,
    image,
    newRuntime,
    container,
    storageOf,
    runs,
    begin: async (member, behaviour) => {
      await storageOf(member);
      const made = container(member, behaviour);
      await runtime.pull(image, () => undefined, signal);
      await runtime.create(made, signal);
      await runtime.start(member, signal);
      return made;
    },
  };
}

function specOf(member: string, behaviour: Behaviour, image: Image, storages: string): MemberSpec {
  return {
    kind: 'exec',
    runtime: 'docker',
    image,
    command: [],
    environment: { BEHAVIOUR: behaviour, VALUE: member, STORAGE: '/data' },
    mounts: [],
    storage: join(storages, member),
    storageTarget: '/data',
    networkMode: 'host',
    limits: {},
    ports: {},
    stopGraceMs: 5000,
    engineOptions: {},
  };
}

/** For the conformance suite, which makes no storage itself. */
export async function dockerSubject(): Promise<RuntimeSubject> {
  const under = await startEngineUnderTest();
  return {
    runtime: under.runtime,
    container: (member, behaviour, value = member) => {
      const made = under.container(member, behaviour, {
        environment: { BEHAVIOUR: behaviour, VALUE: value, STORAGE: '/data' },
        // One stream: an Engine reads stdout and stderr apart and keeps no order between them.
        command: ['sh', '-c', 'exec /member 2>&1'],
      });
      mkdirSync(made.spec.storage, { recursive: true });
      return made;
    },
    runs: under.runs,
    reference: under.image.reference,
    unknownReference: `${under.registry.address}/test/nobody:1.0.0`,
    reopen: () => Promise.resolve(under.newRuntime()),
    kill: async (member) => {
      await under.engine.docker('kill', `leafward-${member}`);
    },
    close: () => under.dispose(),
  };
}
