// leafward engine test: which definition it sends, what it shows, how it ends. Against a real server on loopback.
import { expect } from 'chai';
import { parse } from 'yaml';
import type { CommandAnswer } from '@leafward/shared/gen/domain.js';
import { parseKinds } from '@leafward/shared/manifest/parse-kinds.js';
import { engineReport, renderEngine } from '@leafward/controller/cli/render/engine.js';
import { plainPaint } from '@leafward/controller/cli/render/style.js';
import { answers, canned, NOW, startFixture, status, type Handlers } from './cli-fixture.js';

const KINDS = `kinds:
  store:
    commands:
      role: { run: [store, role], match: 'role:(.*)', words: { master: leader, slave: mirror } }
      position: { run: [store, position] }
      upstream: { run: [store, upstream] }
`;
const OTHER = `  queue:
    commands:
      ready: { run: [queue, ping], result: exit-code }
`;
const MANIFEST = `fleet: shop
hosts: { alpha: }
${KINDS}${OTHER}services:
  orders:
    kind: queue
    image: queue:1
    update: { requireBackup: false }
    members: { 00.orders: { host: alpha } }
`;
const failing: CommandAnswer = {
  command: 'ready',
  ok: false,
  output: '',
  error: 'ready: store ping: no such program in the container; exit code 127',
  tookMs: 5000,
};

const kinds = (text: string) => {
  const parsed = parseKinds(text);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.kinds;
};

describe('leafward engine test', () => {
  let stop = (): void => undefined;
  afterEach(() => stop());
  const test = async (text: string, args: string, over: Partial<Handlers> = {}) => {
    const fixture = await startFixture(over);
    stop = fixture.stop;
    const context = { readInput: async () => text };
    const result = await fixture.run(['engine', 'test', 'kinds.yaml', ...args.split(' ')], {
      context,
    });
    return { ...result, asked: fixture.asked.filter(({ method }) => method === 'testEngine') };
  };

  it('sends the definition of the only kind, complete', async () => {
    const { code, asked } = await test(KINDS, '--member 00.cortex');
    expect(code).to.equal(0);
    expect(asked).to.deep.equal([
      { method: 'testEngine', request: { member: '00.cortex', exec: kinds(KINDS)['store'] } },
    ]);
  });

  it('takes the kind that is named, that the file gives the member, or that it is of in the fleet', async () => {
    const sent = async (...args: Parameters<typeof test>) => {
      const { asked } = await test(...args);
      const { exec } = asked[0]?.request as { readonly exec: { readonly commands: object } };
      stop();
      return Object.keys(exec.commands);
    };
    expect(await sent(MANIFEST, '--member 00.orders')).to.eql(['ready']);
    expect(await sent(MANIFEST, '--member 00.orders --kind store')).to.include('role');
    const ofStore = status.services.map((service) => ({ ...service, kind: 'store' }));
    const getStatus = async () => ({ status: { ...status, services: ofStore } });
    expect(await sent(KINDS + OTHER, '--member 00.cortex', { getStatus })).to.include('role');
  });

  it('ends with 2 and asks nobody when it cannot know what to send', async () => {
    const ends = async (text: string, args: string, message: RegExp) => {
      const { code, stderr, asked } = await test(text, args);
      stop();
      expect(code, stderr).to.equal(2);
      expect(stderr.replace(/\s+/g, ' ')).to.match(message);
      expect(asked).to.eql([]);
    };
    await ends(KINDS + OTHER, '--member 00.cortex', /Say --kind with one of: store, queue/);
    await ends(KINDS, '--member 00.cortex --kind no', /describes no kind no; it describes store/);
    await ends(
      '',
      '--member 00.cortex',
      /cannot be used - it is empty: it needs the section kinds/,
    );
    await ends('kinds: {}', '--member 00.cortex', /kinds\.yaml describes no kind/);
    await ends(
      KINDS.replace('[store, position]', '[]').replace('match', 'mtach'),
      '--member 00.cortex',
      /cannot be used - line 4: kinds\.store\.commands\.role\.mtach: .* - line 5: kinds\.store\.commands\.position\.run: a command needs/,
    );
    await ends('fleet: x', '--member 00.cortex', /line 1: hosts: this is needed and missing/);
  });

  it('ends with 1 when a command fails, and gives the data as it is', async () => {
    const { code, stdout } = await test(KINDS, '--member 00.cortex -o yaml', {
      testEngine: async ({ member }) => ({ member, host: 'alpha', answers: [...answers, failing] }),
    });
    expect(code).to.equal(1);
    expect(parse(stdout)).to.deep.include({
      kind: 'store',
      member: '00.cortex',
      host: 'alpha',
      failed: 1,
      answers: [...answers, failing],
    });
  });

  it('draws what is not answered as such, and lets no command drive the terminal', async () => {
    const { stdout } = await test(KINDS, '--member 00.cortex', {
      ...canned,
      testEngine: async ({ member }) => ({
        member,
        host: 'alpha',
        answers: [{ command: 'role', ok: true, output: 'a\x1b[2Jb\nc', tookMs: 1 }],
      }),
    });
    expect(stdout).to.match(/^role {5}– +1 ms {2}a \[2Jb c$/m);
  });

  it('shows each answer, what failed, and what is missing', () => {
    const exec = kinds(KINDS)['store'] ?? { commands: {}, positions: 'number' };
    const tested = { kind: 'store', exec, member: '00.orders', host: 'alpha' };
    const style = { paint: plainPaint, columns: 78, now: NOW };
    const report = engineReport({ ...tested, answers: [...answers, failing] });
    expect(renderEngine(report, style)).to.equal(
      `
store at 00.orders on alpha: 1 of 4 commands failed

COMMAND   READ AS    TOOK  ANSWERED
role      leader     4 ms  role:master
position  23803720  31 ms  0/16B3748
upstream  (empty)    5 ms  –
ready     failed      5 s  –
  ✗ ready: store ping: no such program in the container; exit code 127

not known for want of a command
  identity: backups do not say whose data they hold
  linked: a mirror that lost its upstream is known by its lag only
  ready: a member that answers counts as ready
  writable: a leader that takes no writes is not noticed
  version: its version is known by its image only
  dataSize: room for a backup is reckoned from its storage directory

not possible for want of commands
  to have mirrors: storedUpstream, setUpstream, clearUpstream
  to be backed up: backup
  to be restored from a backup: restore
  to have an emptied member filled anew: seed
  to have a mirror filled from a backup: restore, history, storedUpstream,
  setUpstream
  to hand leadership over while it runs: promote
  to hand leadership over by stopping the leader: forcePromote,
  storedPosition, setUpstream
  to be failed over: forcePromote
  to have a silent leader asked by other hosts: answers
  to have histories of members compared: history
  to have databases of a stopped member made compact: optimize
  to be backed up while it is stopped: coldBackup
`.trim(),
    );
  });

  it('asks for no second way to hand leadership over', () => {
    const promote = { steps: [], format: 'plain' as const };
    const tested = { kind: 'store', member: '00.orders', host: 'alpha', answers: [] };
    const exec = { commands: { promote }, positions: 'number' as const };
    const abilities = engineReport({ ...tested, exec }).cannot.map(({ ability }) => ability);
    expect(abilities).to.include('mirror').and.not.include('hand-over-by-stopping');
  });
});
