// A new member's place in its network, at its host: nothing starts without it, a first start that was cut short is wiped
// and nothing else is, and the one-time URL lies where only its program reads it.
import { expect } from 'chai';
import { mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { refuseTaken } from '@leafward/agent/engines/synapse/aha.js';
import { createSynapseEngine } from '@leafward/agent/engines/synapse/engine.js';
import { emptyState } from '@leafward/agent/journal/records.js';
import { readMarker, writeMarker } from '@leafward/agent/marker.js';
import { observeProvisioning } from '@leafward/agent/observe/provisioning.js';
import { planSteps, type ObservedMember } from '@leafward/agent/plan.js';
import { sameUpstream } from '@leafward/agent/plan/start.js';
import { performProvisioning } from '@leafward/agent/provisioning.js';
import type { ActParts } from '@leafward/agent/requests/acts/parts.js';
import { takeProvision } from '@leafward/agent/requests/acts/take-provision.js';
import type { Runtime } from '@leafward/agent/runtimes/runtime.js';
import type { ContainerFact, MemberIntent, Request } from '@leafward/shared/gen/domain.js';
import { intentOf, memberOf, mirrorIntent, observedOf, runningOf } from './agent-world.js';

const provision = { service: 'aha', network: 'loop', name: '00.cortex', alias: 'cortex' };
const own = { format: 1 as const, service: 'cortex', member: '00.cortex', term: 3 };
const found = (changes: object = {}) => ({
  kind: 'found' as const,
  marker: { ...own, ...changes },
});
const open = found({ provisioning: { broken: false } });
const URL = `ssl://aha.loop:27272/${'a'.repeat(32)}?certhash=${'b'.repeat(64)}`;

function lineOf(member: ObservedMember): string {
  const [plan] = planSteps(observedOf(member));
  return [
    plan?.steps.map(({ kind }) => kind).join(' ') || '-',
    ...(plan?.waits ?? []).map(({ code }) => `wait:${code}`),
    ...(plan?.refusals ?? []).map(({ code }) => `refuse:${code}`),
  ].join(' | ');
}

describe('a member that has no place in its network yet', () => {
  const intent = mirrorIntent({ provision });
  it('is not made before it has one, whatever its role', () => {
    const needed = { provisioning: 'needed' as const, storageEmpty: true };
    expect(lineOf(memberOf(intent, needed))).to.equal('- | wait:not-provisioned');
    expect(lineOf(memberOf(intentOf({ provision }), needed))).to.equal('- | wait:not-provisioned');
  });
  it('is started with its URL', () => {
    const offered = memberOf(intent, { provisioning: 'offered', marker: open });
    expect(lineOf(offered)).to.equal('create write-role start');
  });
  it('is wiped where its first start was cut short, marked before', () => {
    const exited = { state: 'exited' as const };
    const broken = memberOf(intent, { provisioning: 'broken', marker: open, container: exited });
    expect(lineOf(broken)).to.equal('write-marker begin-anew');
    const marked = found({ provisioning: { broken: true } });
    expect(lineOf({ ...broken, marker: marked })).to.equal('begin-anew');
  });
  it('has its used URL taken away when it answers, and not before', () => {
    const begun = { provisioning: 'begun' as const, marker: open };
    const engine = { answered: true, active: false };
    expect(lineOf(runningOf(intent, { ...begun, engine }))).to.equal('end-provisioning');
    const silent = { answered: false };
    expect(lineOf(runningOf(intent, { ...begun, engine: silent }))).to.equal('-');
  });
  it('is not taken for new where its storage was lost', () => {
    const member = memberOf(intent, { provisioning: 'needed', storageEmpty: true });
    const [plan] = planSteps(
      observedOf(member, { startedOn: { [intent.spec.storage]: '00.cortex' } }),
    );
    expect(plan?.refusals.map(({ code }) => code)).to.eql(['storage-lost']);
  });
  it('mirrors the right one also where its cell writes the network as dots', () => {
    const engineOptions = { leaderAlias: 'aha://cortex.loop' };
    const member = memberOf({ ...intent, spec: { ...intent.spec, engineOptions } });
    expect(sameUpstream('aha://root@cortex...', member)).to.equal(true);
    expect(sameUpstream('aha://root@axon...', member)).to.equal(false);
  });
});

describe('a run that is to be started again', () => {
  const engine = { answered: true, active: true, runId: 'r1' };
  it('is stopped and started by the agent’s own steps, with its permit, and only that run', () => {
    const permit = { leftMs: 4000, ageMs: 100 };
    const asked = runningOf(intentOf(), { engine, permit, restartOf: 'r1' });
    expect(lineOf(asked)).to.equal('stop start');
    expect(lineOf({ ...asked, restartOf: 'r0' })).to.equal('-');
    expect(lineOf({ ...asked, permit: { leftMs: 0, ageMs: 9000 } })).to.equal('- | wait:no-permit');
  });
});

describe('how far a storage is provisioned', () => {
  const files = (offered: boolean, provisioned: boolean) => ({
    provisioner: {
      read: () => Promise.resolve({ offered, provisioned }),
      issue: () => Promise.reject(new Error('not here')),
      offer: () => Promise.reject(new Error('not here')),
      clear: () => Promise.reject(new Error('not here')),
    },
  });
  const look = (changes: Partial<Parameters<typeof observeProvisioning>[0]>) => ({
    intent: mirrorIntent({ provision }),
    container: { state: 'exited' } as ContainerFact,
    engine: { answered: false },
    marker: open,
    backoff: { cause: 'none' as const, failures: 0, leftMs: 0 },
    isEmpty: false,
    ...changes,
  });
  const cases: readonly (readonly [string, ReturnType<typeof look>, boolean, boolean, unknown])[] =
    [
      ['nothing asked for', look({ intent: mirrorIntent() }), true, true, undefined],
      ['empty', look({ marker: { kind: 'none' }, isEmpty: true }), false, false, 'needed'],
      ['of before', look({ marker: found() }), false, true, 'done'],
      [
        'emptied for a copy',
        look({
          intent: mirrorIntent({ provision, reseed: { id: 'r1', wipe: true } }),
          marker: found(),
          isEmpty: true,
        }),
        false,
        false,
        undefined,
      ],
      ['with its URL', look({}), true, false, 'offered'],
      ['marked, the URL not written', look({}), false, false, 'needed'],
      ['running', look({ container: { state: 'running' } }), true, true, 'begun'],
      ['a mirror that ended half-way', look({}), true, true, 'broken'],
      ['a leader that ended', look({ intent: intentOf({ provision }) }), true, true, 'offered'],
      [
        'one that never gets a place',
        look({ backoff: { cause: 'exit', failures: 3, leftMs: 0 } }),
        true,
        false,
        'broken',
      ],
      [
        'half wiped',
        look({ marker: found({ provisioning: { broken: true } }) }),
        false,
        false,
        'broken',
      ],
    ];
  for (const [name, looked, offered, provisioned, expected] of cases)
    it(`${name}: ${String(expected)}`, async () => {
      expect(await observeProvisioning(looked, files(offered, provisioned))).to.equal(expected);
    });
});

describe('the one-time URL of a new member', () => {
  let dir: string;
  let intent: MemberIntent;
  let startedOn: Readonly<Record<string, string>>;
  beforeEach(async () => {
    startedOn = {};
    dir = await mkdtemp(join(tmpdir(), 'leafward-'));
    const { spec } = intentOf();
    intent = intentOf({ provision, spec: { ...spec, storage: join(dir, 'storage') } });
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const runtime = {
    name: 'process',
    inspect: () => Promise.resolve({ state: 'absent' }),
    list: () => Promise.resolve([]),
  } as unknown as Runtime;
  const parts = (): ActParts => {
    const engine = createSynapseEngine();
    const state = {
      ...emptyState,
      startedOn,
      intent: { host: 'a', generation: 1, epoch: 1, members: [intent] },
    };
    return {
      runtime: () => runtime,
      isBusy: () => false,
      engineOf: () => engine,
      journal: { state },
    } as unknown as ActParts;
  };
  const take = (secret: string | undefined) => {
    const request: Request = {
      kind: 'take-provision',
      id: 'r1',
      epoch: 1,
      expiresAt: 0,
      member: '00.cortex',
      term: 3,
      secret,
    };
    const onProgress = (): void => undefined;
    const signal = new AbortController().signal;
    return takeProvision(request, {
      parts: parts(),
      onProgress,
      signal,
    });
  };
  const refused = async (act: Promise<unknown>): Promise<string> =>
    act.then(
      () => 'done',
      (error: unknown) => String(error),
    );

  it('lies in cell.yaml, for its program alone, in a storage that is closed to others', async () => {
    await take(URL);
    const { storage } = intent.spec;
    expect(await readFile(join(storage, 'cell.yaml'), 'utf8')).to.equal(`aha:provision: ${URL}\n`);
    expect((await stat(join(storage, 'cell.yaml'))).mode & 0o777).to.equal(0o600);
    expect((await stat(storage)).mode & 0o777).to.equal(0o700);
    expect(await readMarker(storage)).to.deep.include(open);
    await take(URL.replace('aaaa', 'cccc'));
    expect(await readFile(join(storage, 'cell.yaml'), 'utf8')).to.include('/cccc');
  });

  it('is given to no storage that holds anything', async () => {
    await mkdir(intent.spec.storage);
    await writeFile(join(intent.spec.storage, 'cell.guid'), 'x');
    const text = await refused(take(URL));
    expect(text).to.include('is not empty; it is not touched').and.not.include('certhash');
  });

  it('is given to nobody who has lived there, by whatever path: a volume is not mounted', async () => {
    const { storage } = intent.spec;
    const real = join(dir, 'real');
    await mkdir(real);
    await symlink(real, storage);
    for (const path of [storage, real]) {
      startedOn = { [path]: '00.cortex' };
      expect(await refused(take(URL))).to.include('has lived on');
    }
  });

  it('is told where it was lost on its way', async () => {
    expect(await refused(take(undefined))).to.include('was lost on its way');
  });

  it('is taken away when it was used, and what its cell wrote stays', async () => {
    await take(URL);
    const { storage } = intent.spec;
    await writeFile(join(storage, 'cell.yaml'), `aha:provision: ${URL}\naha:name: 00.cortex\n`);
    const hands = { engineOf: parts().engineOf, runtimeOf: () => runtime };
    const signal = new AbortController().signal;
    const end = { kind: 'end-provisioning' as const, member: '00.cortex', cause: '', marker: own };
    await performProvisioning(end, { intent, hands, signal });
    expect(await readFile(join(storage, 'cell.yaml'), 'utf8')).to.equal('aha:name: 00.cortex\n');
    expect(await readMarker(storage)).to.deep.equal(found());
  });

  it('is wiped with what it began only where the marker says that this was cut short', async () => {
    await take(URL);
    const { storage } = intent.spec;
    await writeFile(join(storage, 'prov.done'), 'x');
    const hands = { engineOf: parts().engineOf, runtimeOf: () => runtime };
    const signal = new AbortController().signal;
    const step = { kind: 'begin-anew' as const, member: '00.cortex', cause: '', marker: own };
    const anew = () => performProvisioning(step, { intent, hands, signal });
    expect(await refused(anew())).to.include('nothing is wiped');
    await writeMarker(storage, { ...own, provisioning: { broken: true } });
    await anew();
    expect(await readdir(storage)).to.eql(['.leafward.json']);
    expect(await readMarker(storage)).to.deep.equal(found());
  });
});

describe('a place that is asked for', () => {
  const entry = (name: string, online: boolean, iden = 'mine') => ({
    name: `${name}.loop`,
    run: 'r',
    iden,
    online,
  });
  const ask = (entries: readonly ReturnType<typeof entry>[], place: object): string => {
    try {
      refuseTaken({ entries }, { network: 'loop', name: '01.cortex', ...place });
      return 'free';
    } catch (error) {
      return String(error);
    }
  };
  const cortex = entry('cortex', true);
  it('is free, or this member’s own of before', () => {
    expect(ask([], {})).to.equal('free');
    expect(ask([cortex], { mirror: 'cortex' })).to.equal('free');
    expect(ask([entry('01.cortex', false)], { iden: 'mine' })).to.equal('free');
  });
  it('is taken by whoever is online, or of another service', () => {
    expect(ask([entry('01.cortex', true)], { iden: 'mine' })).to.include('is online');
    expect(ask([entry('01.cortex', false, 'other')], { iden: 'mine' })).to.include('offline');
    expect(ask([entry('01.cortex', false)], {})).to.include('offline');
  });
  it('is below an upstream that is there and online', () => {
    expect(ask([], { mirror: 'cortex' })).to.include('ever registered');
    expect(ask([entry('cortex', false)], { mirror: 'cortex' })).to.include('is not online');
  });
});
