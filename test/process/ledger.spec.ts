// The worked example of docs/engines/exec.md on a real fleet: a service that Leafward does not know, described with
// commands. Its commands are tried at a living member, changed without a restart, and carry a promotion.
import { expect } from 'chai';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EngineReport } from '@leafward/controller/cli/render/engine.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { killProcessesBelow } from '../fleet/processes.js';
import { eventually } from '../fleet/programs.js';

const examples = fileURLToPath(new URL('../../../deploy/examples/', import.meta.url));
const IMAGE = 'ledger-1.0.0.sh';

describe('a kind that is described with commands', function () {
  this.timeout(180_000);
  let dir: string;
  let fleet: LocalFleet;
  let text: string;

  /** The example with the paths of this machine. */
  const write = async (name: string, manifest: string): Promise<string> => {
    const path = join(dir, name);
    await writeFile(path, manifest);
    return path;
  };
  const test = async (file: string, member: string, codes: readonly number[] = [0]) => {
    const args = ['engine', 'test', file, '--member', member, '-o', 'json'];
    return JSON.parse((await fleet.cli(args, codes)).stdout) as EngineReport;
  };
  const readAs = (report: EngineReport) =>
    Object.fromEntries(report.answers.map(({ command, value }) => [command, value]));
  const untilLedBy = (leader: string): Promise<true> =>
    eventually(`${leader} leads and the other mirrors it`, 90_000, async () => {
      const { services } = await fleet.status();
      const members = services.flatMap((service) => service.members);
      const isSo = members.every(
        ({ member, state }) => state === (member === leader ? 'leading' : 'mirroring'),
      );
      return members.length === 2 && isSo ? true : undefined;
    });
  const starts = async (): Promise<readonly number[]> => {
    const { services } = await fleet.status();
    return services.flatMap(({ members }) => members.map((member) => member.starts));
  };

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-'));
    await mkdir(join(dir, 'images'));
    await copyFile(join(examples, IMAGE), join(dir, 'images', IMAGE));
    text = (await readFile(join(examples, 'ledger.yaml'), 'utf8'))
      .replace('fleet: workshop', 'fleet: demo')
      .replace('/opt/ledger/', `${dir}/images/`)
      .replace('/var/lib/ledger/', `${dir}/members/`);
    fleet = await startLocalFleet({ dir, hosts: ['one', 'two'] });
  });
  after(async () => {
    await fleet.stop();
    await killProcessesBelow(dir);
    await rm(dir, { recursive: true, force: true });
  });

  it('is deployed with its mirror, which is seeded', async () => {
    await fleet.carryOut(['deploy', await write('fleet.yaml', text)]);
    await untilLedBy('00.ledger');
  });

  it('is tried at a leader and at a mirror, each answer as Leafward reads it', async () => {
    const file = join(dir, 'fleet.yaml');
    const leader = await test(file, '00.ledger');
    expect(leader).to.include({ kind: 'ledger', host: 'one', failed: 0 });
    expect(readAs(leader)).to.include({ role: 'leader', ready: 'true', writable: 'true' });
    expect(Number(readAs(leader)['position'])).to.be.greaterThan(0);
    const mirror = await test(file, '01.ledger');
    expect(readAs(mirror)).to.include({
      role: 'mirror',
      upstream: `file://${dir}/members/00.ledger`,
    });
    // It has no way to be asked from another host, and none to be cared for while it is stopped.
    const cannot = leader.cannot.map(({ ability }) => ability);
    expect(cannot).to.eql(['witness', 'optimize', 'back-up-cold']);
  });

  it('tells each bad command by itself, in seconds, and nothing is changed', async () => {
    const before = await starts();
    const bad = `kinds:
  ledger:
    commands:
      role: { run: [echo, perhaps] }
      position: { run: [sleep, '60'], deadline: 300ms }
      ready: { run: [no-such-program], result: exit-code }
      writable: { run: [sh, -c, 'echo full >&2; exit 7'] }
      version: { run: [sh, -c, 'yes | head -c 20000000'], maxOutput: 1KiB, deadline: 1m }
      dataSize: { run: [sh, -c, 'echo 5'] }
`;
    const report = await test(await write('bad.yaml', bad), '00.ledger', [1]);
    const errors = Object.fromEntries(
      report.answers.map(({ command, ok, value, error }) => [command, ok ? value : error]),
    );
    expect(errors['role']).to.include('"perhaps", which is neither leader nor mirror');
    expect(errors['position']).to.include('the command position of 00.ledger (sleep 60)');
    expect(errors['ready']).to.include('no-such-program');
    expect(errors['writable']).to.include('exit code 7: full');
    expect(errors['version']).to.include('more than its maxOutput');
    expect(errors['dataSize']).to.equal('5');
    expect(report.failed).to.equal(5);
    expect(await starts()).to.eql(before);
  });

  it('gets other commands without a restart', async () => {
    const before = await starts();
    const changed = text.replace(
      '      # Acts.\n',
      "      version: { run: [echo, '1.0.0'] }\n      # Acts.\n",
    );
    const path = await write('changed.yaml', changed);
    const { stdout } = await fleet.cli(['plan', 'deploy', path]);
    expect(stdout).to.include('with another description of its kind (new: version)');
    await fleet.carryOut(['deploy', path]);
    await eventually('both members tell their version', 90_000, async () => {
      const { services } = await fleet.status();
      const members = services.flatMap((service) => service.members);
      return members.every(({ version }) => version === '1.0.0') ? true : undefined;
    });
    expect(await starts()).to.eql(before);
  });

  it('is backed up, and hands its leadership over without losing a line', async () => {
    await fleet.carryOut(['backup', 'ledger']);
    await fleet.carryOut(['promote', 'ledger', '--to', '01.ledger']);
    await untilLedBy('01.ledger');
    for (const member of ['00.ledger', '01.ledger']) {
      const lines = (await readFile(join(dir, 'members', member, 'ledger'), 'utf8')).split('\n');
      expect(lines.slice(0, -1).every((line, index) => line === String(index + 1))).to.equal(true);
    }
  });

  it('says no to a member that is not there', async () => {
    const args = ['engine', 'test', join(dir, 'fleet.yaml'), '--member', '09.ledger'];
    const { stderr } = await fleet.cli(args, [1]);
    expect(stderr).to.match(/there is no such member; there are:\s+00\.ledger, 01\.ledger/);
  });
});
