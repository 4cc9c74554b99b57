// What ran by compose files is taken over by a deploy: the same containers, never restarted, without a restart policy;
// made anew only when their manifest asks for it. Whole programs, a real Engine, stand-in cells.
import { expect } from 'chai';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Plan, Status } from '@leafward/shared/gen/domain.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { endPrograms } from '../fleet/programs.js';
import { pushCellImage } from '../rig/cell-image.js';
import { eventually } from '../rig/conditions.js';
import { startLoneEngine, type LoneEngine } from '../rig/lone-engine.js';
import { requireOrSkip } from '../rig/requirements.js';

interface Seen {
  readonly Id: string;
  readonly State: { readonly StartedAt: string; readonly Running: boolean };
  readonly HostConfig: { readonly RestartPolicy: { readonly Name: string } };
}

const MEMBERS = { '00.cortex': 27_492, '01.cortex': 27_493 } as const;
const LEADER_URL = `tcp://127.0.0.1:${MEMBERS['00.cortex']}`;
const PATIENCE = { timeoutMs: 90_000, everyMs: 100 };

describe('a deploy of what compose files run', function () {
  this.timeout(240_000);
  let lone: LoneEngine;
  let directory: string;
  let fleet: LocalFleet;
  let manifestPath: string;
  const firstSeen = new Map<string, Seen>();

  const seen = async (name: string): Promise<Seen> => {
    const [found] = JSON.parse(await lone.engine.docker('inspect', name)) as Seen[];
    if (found === undefined) throw new Error(`no container ${name}`);
    return found;
  };
  const composeOf = (member: string): string =>
    join(lone.directory, 'syn', member, 'docker-compose.yaml');
  const storageOf = (member: string): string => join(lone.directory, 'syn', member, 'storage');

  /** As `docker-compose up -d` of the guide's file does it. */
  const up = async (member: keyof typeof MEMBERS, image: string): Promise<void> => {
    const url = `tcp://127.0.0.1:${MEMBERS[member]}`;
    const environment = {
      SYN_CELL_LISTEN: url,
      SYN_CELL_ADVERTISE: url,
      SYN_CELL_START_MS: '50',
      SYN_CELL_NAME: `${member}.loop`,
      ...(member === '00.cortex' ? {} : { SYN_CELL_MIRROR: LEADER_URL }),
    };
    await mkdir(storageOf(member), { recursive: true });
    await writeFile(
      composeOf(member),
      JSON.stringify({
        services: {
          [member]: {
            image,
            user: '0',
            network_mode: 'host',
            restart: 'unless-stopped',
            volumes: ['./storage:/vertex/storage'],
            environment,
          },
        },
      }),
    );
    await writeFile(
      join(storageOf(member), 'cell.mods.yaml'),
      `mirror: ${member === '00.cortex' ? 'null' : LEADER_URL}\n`,
    );
    await lone.engine.docker(
      ...['run', '--detach', '--name', `${member}_1`, '--restart', 'unless-stopped'],
      ...['--network', 'host', '--user', '0', '--volume', `${storageOf(member)}:/vertex/storage`],
      ...Object.entries(environment).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
      image,
    );
  };

  before(async function () {
    requireOrSkip(this, 'engine');
    lone = await startLoneEngine();
    directory = await mkdtemp(join(tmpdir(), 'lw-adopt-'));
    manifestPath = join(directory, 'fleet.yaml');
    const { reference } = await pushCellImage(lone, lone.registry, '2.113.0');
    for (const member of Object.keys(MEMBERS)) await up(member as keyof typeof MEMBERS, reference);
    for (const member of Object.keys(MEMBERS)) firstSeen.set(member, await seen(`${member}_1`));
    const state = join(directory, 'hosts', 'alpha', 'leafward');
    await mkdir(state, { recursive: true });
    await writeFile(join(state, 'agent.yaml'), `dockerSocket: ${lone.engine.socketPath}\n`);
    fleet = await startLocalFleet({ dir: directory, hosts: ['alpha'], fleet: 'loop' });
    await fleet.cli([
      ...['import', 'compose', '--host', 'alpha', '--fleet', 'loop', '--into', manifestPath],
      ...['--docker-socket', lone.engine.socketPath],
      ...Object.keys(MEMBERS).map(composeOf),
    ]);
  });
  after(async () => {
    await fleet?.stop();
    await endPrograms();
    await lone?.dispose();
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  });

  const sameAsBefore = async (member: string): Promise<void> => {
    const now = await seen(`${member}_1`);
    expect(now.Id).to.equal(firstSeen.get(member)?.Id);
    expect(now.State).to.deep.include({
      StartedAt: firstSeen.get(member)?.State.StartedAt,
      Running: true,
    });
    expect(now.HostConfig.RestartPolicy.Name).to.equal('no');
  };
  const settled = (): Promise<Status> =>
    eventually(
      'both members are healthy',
      async () => {
        const status = await fleet.status();
        const states = status.services.flatMap(({ members }) => members.map(({ state }) => state));
        return states.join() === 'leading,mirroring' ? status : undefined;
      },
      PATIENCE,
    );

  it('takes the containers over without a restart, and is empty the second time', async () => {
    await fleet.carryOut(['deploy', manifestPath]);
    await settled();
    for (const member of Object.keys(MEMBERS)) await sameAsBefore(member);
    const again = await fleet.cliJson<Plan>(['plan', 'deploy', manifestPath]);
    expect(again.moves).to.deep.equal([]);
  });

  it('knows them after its agent was installed anew, and without its memory', async () => {
    await fleet.agent('alpha')?.stop();
    for (const name of ['journal.log', 'permits.json'])
      await rm(join(fleet.agentDir('alpha'), name), { force: true });
    await fleet.startAgent('alpha');
    await eventually(
      'it is connected',
      async () => (await fleet.status()).hosts[0]?.connected === true,
      PATIENCE,
    );
    await settled();
    for (const member of Object.keys(MEMBERS)) await sameAsBefore(member);
  });

  it('makes one anew when its container is named no more', async () => {
    const text = await readFile(manifestPath, 'utf8');
    const free = text.replace(/^.*container: 01\.cortex_1\n/m, '');
    await writeFile(
      manifestPath,
      `${free.replace('kind: synapse', 'kind: synapse\n    update: { requireBackup: false }')}`,
    );
    await fleet.carryOut(['deploy', manifestPath]);
    await settled();
    await sameAsBefore('00.cortex');
    expect((await seen('leafward-01.cortex')).State.Running).to.equal(true);
    const names = await lone.engine.docker('ps', '--all', '--format', '{{.Names}}');
    expect(names.trim().split('\n').sort()).to.deep.equal(['00.cortex_1', 'leafward-01.cortex']);
  });
});
