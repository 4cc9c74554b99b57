// A failover that nobody orders, on this machine: a leader that is killed, a host that is lost, one whose leader still
// answers, one that is stopped by hand, and a second death. No operator but for the acknowledgement.
import { expect } from 'chai';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Operation } from '@leafward/shared/gen/domain.js';
import { leaseOf, untilFenced } from '@leafward/shared/lease.js';
import { storageOf, type CortexMember } from '../fleet/cortex-manifest.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { killProcessesBelow, killProcessesOn, processesOn } from '../fleet/processes.js';
import { eventually, freePorts } from '../fleet/programs.js';
import { startWriter } from '../fleet/writer.js';
import { servicesManifest } from '../fleet/services-manifest.js';
import { buildCellImage } from '../standin/build-cell-image.js';

/** A machine with two cores for several fleets at once. */
const PATIENCE_MS = 60_000;
const SETTLE_MS = 31_000;
/** Long enough for a busy machine to renew it, short enough to be waited for. */
const isolation = { onIsolation: 'stop' as const, leaseMs: 5000, stopGraceMs: 1000 };
const UNTIL_FENCED_MS = untilFenced(leaseOf(isolation, 0));

const byAgent = '{ mode: automatic, onIsolation: keep, restartAfter: 6s }';
const bySilence = '{ mode: automatic, onIsolation: stop, lease: 5s, stopGrace: 1s }';
/** Of each service its policy, and the hosts of its members, the leader's first. */
const SERVICES = {
  killed: [byAgent, 'alpha', 'bravo', 'charlie'],
  stopped: [byAgent, 'bravo', 'alpha'],
  lost: [bySilence, 'delta', 'bravo', 'charlie'],
  answering: [bySilence, 'delta', 'alpha'],
} as const;
type Service = keyof typeof SERVICES;

describe('a failover by itself', function () {
  this.timeout(180_000);
  let dir = '';
  let fleet: LocalFleet;
  let lostAt = 0;
  const members = new Map<Service, readonly CortexMember[]>();
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-'));
    fleet = await startLocalFleet({ dir, hosts: ['alpha', 'bravo', 'charlie', 'delta'] });
    const ports = [...(await freePorts(10))];
    for (const [service, [, ...hosts]] of Object.entries(SERVICES))
      members.set(
        service as Service,
        hosts.map((host, index) => ({
          name: `0${index}.${service}`,
          host,
          port: ports.pop() ?? 0,
          ...(index === 0 ? {} : { upstream: `00.${service}` }),
        })),
      );
    const image = await buildCellImage({ version: '2.190.0', outDir: join(dir, 'images') });
    const path = join(dir, 'fleet.yaml');
    const services = [...members].map(([name, own]) => ({
      name,
      members: own,
      failover: SERVICES[name][0],
    }));
    await writeFile(path, servicesManifest({ dir, image, services }));
    await fleet.carryOut(['deploy', path]);
    await settled();
    await loseDelta();
  });
  after(async () => {
    await fleet?.stop();
    await killProcessesBelow(dir);
    await rm(dir, { recursive: true, force: true });
  });

  const storage = (service: Service, index = 0): string => {
    const member = members.get(service)?.[index];
    if (member === undefined) throw new Error(`${service} has no member ${index}`);
    return storageOf(dir, member);
  };
  const codes = async (service: Service): Promise<readonly string[]> => {
    const { explanations } = await fleet.client.explain({ subject: service });
    const own = explanations.find(({ subject }) => subject === `${service}, failover by itself`);
    return own?.refusals.map(({ code }) => code) ?? [];
  };
  const forbiddenBy = (service: Service, code: string): Promise<boolean> =>
    eventually(`${service} is not failed over: ${code}`, PATIENCE_MS, async () =>
      (await codes(service)).includes(code),
    );
  const failovers = async (service: Service): Promise<readonly Operation[]> => {
    const { operations } = await fleet.client.listOperations({ all: true });
    return operations
      .filter(({ goal }) => goal.kind === 'failover' && goal.service === service)
      .sort((a, b) => a.createdAt - b.createdAt);
  };
  /** The newest failover of the service, once it is done. */
  const failedOver = (service: Service, count = 1): Promise<Operation> =>
    eventually(`${service} is failed over`, PATIENCE_MS, async () => {
      const all = await failovers(service);
      const last = all[all.length - 1];
      if (last?.state === 'paused') throw new Error(last.reason);
      return all.length === count && last?.state === 'done' ? last : undefined;
    });
  const startedAgain = (service: Service, index: number): Promise<boolean> =>
    eventually(`${service} is started again`, PATIENCE_MS, async () => {
      const view = (await fleet.status()).services.find((one) => one.service === service);
      const member = view?.members.find(({ member }) => member === `0${index}.${service}`);
      return (await processesOn(storage(service, index))).length > 0 && member?.state === 'leading';
    });
  const indexOf = (member = ''): number => Number(member.slice(0, 2));
  const untilWritable = async (service: Service): Promise<string> => {
    const storages = (members.get(service) ?? []).map((m) => [m.name, storageOf(dir, m)] as const);
    const writer = startWriter({ members: Object.fromEntries(storages), everyMs: 20 });
    try {
      return (await writer.untilNextWrite(PATIENCE_MS)).member;
    } finally {
      await writer.stop();
    }
  };

  /** It decides nothing before. */
  async function settled(): Promise<void> {
    const [first = '{}'] = (await readFile(fleet.controller().logPath, 'utf8')).split('\n');
    const { time = '' } = JSON.parse(first) as { readonly time?: string };
    const startedAt = new Date(time).getTime();
    await eventually('it is here for long enough', PATIENCE_MS, () =>
      Promise.resolve(Date.now() - startedAt > SETTLE_MS),
    );
  }

  /** The whole of delta but for one member: nothing is left that would stop it. */
  async function loseDelta(): Promise<void> {
    fleet.agent('delta')?.signal('SIGKILL');
    await fleet.agent('delta')?.ended;
    await killDeadman(fleet.agentDir('delta'));
    await killProcessesOn(storage('lost'));
    lostAt = Date.now();
  }

  it('begins when the agent of the leader says that it died', async () => {
    await killProcessesOn(storage('killed'));
    const leader = await untilWritable('killed');
    const operation = await failedOver('killed');
    expect(operation.createdBy).to.equal('automatic');
    expect(operation.chosen).to.equal(leader);
    expect(operation.goal).to.have.property('automatic').that.includes('00.killed died');
    expect(operation.progress[0]?.note).to.include('its storage says retired');
  });

  it('does not begin for a leader that was told to stop: its agent starts it again', async () => {
    await terminate(storage('stopped'));
    await forbiddenBy('stopped', 'stopped-on-purpose');
    await startedAgain('stopped', 0);
    expect(await failovers('stopped')).to.deep.equal([]);
  });

  it('begins when a host is lost, its lease is over and its leader answers nobody', async () => {
    const operation = await failedOver('lost');
    expect(operation.createdAt - lostAt).to.be.at.least(UNTIL_FENCED_MS - isolation.leaseMs);
    expect(operation.goal)
      .to.have.property('automatic')
      .that.includes('bravo and charlie asked it, and it does not answer');
    expect(await untilWritable('lost')).to.equal(operation.chosen);
  });

  it('does not begin while the leader of a lost host answers, and does when it is gone', async () => {
    await forbiddenBy('answering', 'leader-answers');
    expect(await failovers('answering')).to.deep.equal([]);
    expect(await processesOn(storage('answering'))).not.to.deep.equal([]);
    await killProcessesOn(storage('answering'));
    expect((await failedOver('answering')).chosen).to.equal('01.answering');
  });

  it('does not begin a second time until somebody has looked', async () => {
    const [first] = await failovers('killed');
    const leader = indexOf(first?.chosen);
    await startedAgain('killed', leader);
    await killProcessesOn(storage('killed', leader));
    await forbiddenBy('killed', 'recovery-open');
    await startedAgain('killed', leader);
    expect(await failovers('killed')).to.have.length(1);
    const word = await fleet.cliJson(['failover', 'acknowledge', 'killed']);
    expect(word).to.deep.include({ operationId: first?.id, from: '00.killed' });
    await killProcessesOn(storage('killed', leader));
    expect((await failedOver('killed', 2)).chosen).not.to.equal(first?.chosen);
  });
});

/** As a person would: the program itself, not what started it. */
async function terminate(storage: string): Promise<void> {
  for (const pid of await processesOn(storage)) {
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (line.startsWith(process.execPath)) process.kill(pid, 'SIGTERM');
  }
}

/** Of this agent; it is a process of its own, so that it outlives the agent. */
async function killDeadman(agentDir: string): Promise<void> {
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const line = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
    const words = line.split('\0');
    const isDeadman = words.some((word) => word.endsWith('/leafward-deadman'));
    if (isDeadman && words.some((word) => word.startsWith(`${agentDir}/`)))
      process.kill(Number(name), 'SIGKILL');
  }
}
