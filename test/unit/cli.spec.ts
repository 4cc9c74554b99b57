// The operator's CLI: the real command tree against a real gRPC server on loopback. Output, requests, exit codes.
import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import { parse } from 'yaml';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Operation, Status } from '@leafward/shared/gen/domain.js';
import {
  backup,
  canned,
  doneOperation,
  failedOperation,
  NOW,
  once,
  operation,
  refusedPlan,
  runOnce,
  startFixture,
  status,
  type Fixture,
  type Handlers,
} from './cli-fixture.js';

const READS: readonly string[] = [
  'status',
  'status cortex',
  'status --watch',
  'host list',
  'host show alpha',
  'host check',
  'host check charlie --refresh',
  'host check charlie --fix',
  'host check charlie --undo',
  'host check charlie --fix --dry-run',
  'host invite echo',
  'host revoke alpha --reason gone --yes',
  'host waive charlie swap --reason test --until 7d',
  'host unwaive charlie swap',
  'host waivers',
  'user list',
  'user invite bob --role viewer',
  'user revoke bob --reason left --yes',
  'plan deploy fleet.yaml',
  'plan update cortex --image x',
  'plan promote cortex --to 01.cortex',
  'plan failover cortex',
  'plan reseed cortex 00.cortex --wipe',
  'plan restore cortex --backup b1',
  'plan backup cortex',
  'plan show p-7c21',
  'plan list',
  'apply p-7c21',
  'operation list --all',
  'operation show op-19',
  'operation pause op-19',
  'operation resume op-19',
  'operation abort op-19',
  'backup run cortex',
  'backup list',
  'backup verify b1',
  'backup prune cortex --dry-run',
  'forecast cortex',
  'why cortex',
  'audit',
  'secret list',
  'secret set db-password',
  'secret set db-password --from-file value',
  'secret remove db-password --yes',
  'version',
  'enroll leafward://x',
];

describe('leafward', () => {
  let fixture: Fixture | undefined;
  afterEach(() => fixture?.stop());
  const start = async (over: Partial<Handlers> = {}): Promise<Fixture> =>
    (fixture = await startFixture(over));
  const answerTo = async (args: string, over: Partial<Handlers> = {}, options = {}) =>
    (await start(over)).run(args.split(' '), options);

  describe('every read', () => {
    for (const line of READS)
      it(`prints ${line} as table, json and yaml`, async () => {
        const args = line.split(' ');
        for (const format of ['table', 'json', 'yaml']) {
          const stop = new AbortController();
          // A watch of the status has no end of its own: Ctrl-C after the first answer.
          const watchStatus: Handlers['watchStatus'] = async function* (_, call) {
            yield { status };
            await new Promise((resolve) => call.signal.addEventListener('abort', resolve));
          };
          const { run, stop: end } = await startFixture({ watchStatus });
          const result = await run([...args, '-o', format], {
            signal: stop.signal,
            onWrite: () => args.includes('--watch') && stop.abort(),
          });
          end();
          expect(result.stderr, result.stderr).to.equal('');
          expect(result.code, result.stdout).to.equal(0);
          expect(result.stdout).to.not.include('\x1b').and.not.equal('');
          if (format === 'json') JSON.parse(result.stdout);
          if (format === 'yaml') parse(result.stdout.replace(/^---\n/, ''));
        }
      });

    it('gives the domain data as it is', async () => {
      const result = await answerTo('status -o json');
      expect(JSON.parse(result.stdout)).to.deep.equal(JSON.parse(JSON.stringify(status)));
      fixture?.stop();
      expect(parse((await answerTo('backup list -o yaml')).stdout)).to.deep.equal([backup]);
    });
  });

  it('colours on a terminal only, and never with NO_COLOR or --no-color', async () => {
    const { run } = await start();
    const tty = { interactive: true, columns: 120 };
    expect((await run(['status'], tty)).stdout).to.include('\x1b[');
    expect(
      (await run(['status'], { ...tty, environment: { NO_COLOR: '1' } })).stdout,
    ).to.not.include('\x1b');
    expect((await run(['status', '--no-color'], tty)).stdout).to.not.include('\x1b');
    expect((await run(['--no-color', 'host', 'list'], tty)).stdout).to.not.include('\x1b');
  });

  it('lets no text of a peer drive the terminal', async () => {
    const evil = 'bad\x1b[2J\x07\u202e\u009b31m';
    const hostile: Status = { ...status, fleet: evil, problems: [evil] };
    const result = await answerTo('status', { getStatus: async () => ({ status: hostile }) });

    expect(result.stdout).to.not.match(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    fixture?.stop();
    const failed = await answerTo('why x', {
      explain: async () => {
        throw new LeafwardError('not-found', evil, { detail: [evil] });
      },
    });

    expect(failed.stderr).to.not.match(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  });

  describe('asks the controller for', () => {
    const asks = (args: string, method: string, request: object): void => {
      it(`${method} when told: ${args}`, async () => {
        const { run, asked } = await start();
        expect((await run(args.split(' '))).code).to.equal(0);
        expect(asked.filter((each) => each.method === method)).to.deep.equal([{ method, request }]);
      });
    };
    const DAY = 86_400_000;
    asks('status cortex', 'getStatus', { service: 'cortex' });
    asks('host invite echo --ttl 30m', 'inviteHost', { name: 'echo', ttlMs: 1_800_000 });
    asks('user invite bob --role admin', 'inviteUser', {
      name: 'bob',
      role: 'admin',
      ttlMs: 3_600_000,
    });
    asks('host waive h c --reason r --until 7d', 'waive', {
      host: 'h',
      check: 'c',
      reason: 'r',
      until: NOW + 7 * DAY,
    });
    asks('host waive h c --reason r --until 2026-12-01', 'waive', {
      host: 'h',
      check: 'c',
      reason: 'r',
      until: Date.UTC(2026, 11, 1),
    });
    asks('host check a --fix', 'tuneHost', {
      host: 'a',
      checks: ['sysctl-swappiness'],
      undo: false,
      dryRun: false,
    });
    asks('host check a --fix --only b c --dry-run', 'tuneHost', {
      host: 'a',
      checks: ['b', 'c'],
      undo: false,
      dryRun: true,
    });
    asks('host check a --undo', 'tuneHost', { host: 'a', checks: [], undo: true, dryRun: false });
    asks('host check a --refresh', 'getFindings', { host: 'a', refresh: true });
    asks('plan deploy fleet.yaml', 'makePlan', {
      goal: { kind: 'deploy', manifest: 'fleet: demo\n' },
    });
    asks('plan update --services a,b --to v2.1.0 --acknowledge 2.0.5', 'makePlan', {
      goal: {
        kind: 'fleet-update',
        services: ['a', 'b'],
        tag: 'v2.1.0',
        updates: [],
        options: { acknowledged: ['2.0.5'] },
      },
    });
    asks('plan update c --image r', 'makePlan', {
      goal: { kind: 'update', service: 'c', image: 'r' },
    });
    asks('plan promote c --to m', 'makePlan', { goal: { kind: 'promote', service: 'c', to: 'm' } });
    asks('plan failover c --to m --leader-is-off fire', 'makePlan', {
      goal: { kind: 'failover', service: 'c', to: 'm', leaderIsOff: 'fire' },
    });
    asks('plan failover c --leader-is-off fire --at-once', 'makePlan', {
      goal: { kind: 'failover', service: 'c', leaderIsOff: 'fire', atOnce: true },
    });
    asks('plan reseed c m --wipe', 'makePlan', {
      goal: { kind: 'reseed', service: 'c', member: 'm', wipe: true, id: '' },
    });
    asks('plan restore c --backup b', 'makePlan', {
      goal: { kind: 'restore', service: 'c', backup: 'b', wipe: false, id: '' },
    });
    asks('plan restore c --backup b --image i', 'makePlan', {
      goal: { kind: 'restore', service: 'c', backup: 'b', wipe: false, id: '', image: 'i' },
    });
    asks('plan reseed c m --from-backup b --host h', 'makePlan', {
      goal: {
        ...{ kind: 'reseed', service: 'c', member: 'm', wipe: false, id: '' },
        ...{ backup: 'b', host: 'h' },
      },
    });
    asks('plan restore c --member m --backup b', 'makePlan', {
      goal: { kind: 'restore', service: 'c', backup: 'b', wipe: false, id: '', member: 'm' },
    });
    asks('backup prune-copies cortex --host alpha --dry-run', 'actOnBackup', {
      kind: 'prune-copies',
      backup: '',
      service: 'cortex',
      host: 'alpha',
      dryRun: true,
    });
    asks('plan backup c --member m', 'makePlan', {
      goal: { kind: 'backup', service: 'c', member: 'm', name: '' },
    });
    asks('operation list -a', 'listOperations', { all: true });
    asks('operation abort op-1 --reason enough', 'controlOperation', {
      id: 'op-1',
      control: 'abort',
      reason: 'enough',
    });
    asks('failover acknowledge cortex', 'acknowledgeFailover', { service: 'cortex' });
    asks('audit --limit 7', 'listAudit', { limit: 7 });
    asks('backup list cortex', 'listBackups', { service: 'cortex' });
    asks('backup prune cortex --host alpha --dry-run', 'actOnBackup', {
      kind: 'prune',
      backup: '',
      service: 'cortex',
      host: 'alpha',
      dryRun: true,
    });
    asks('backup verify b1 --service cortex --rate 50MiB', 'verifyBackup', {
      backup: 'b1',
      service: 'cortex',
      bytesPerSecond: 50 * 2 ** 20,
    });
  });

  describe('ends with', () => {
    const at = (state: Operation): Partial<Handlers> => ({
      watchOperation: () => once({ operation: state, now: NOW }),
    });
    const cases: readonly [number, string, Partial<Handlers>, string][] = [
      [0, 'apply p-7c21', {}, 'an operation that is done'],
      [0, 'apply p-7c21 --no-watch', {}, 'an operation that has begun'],
      [1, 'apply p-7c21', at(failedOperation), 'a move that failed'],
      [1, 'operation watch op-19', at({ ...doneOperation, state: 'aborted' }), 'an abort'],
      [4, 'operation watch op-19', at({ ...operation, state: 'paused' }), "an operator's pause"],
      [2, 'apply', {}, 'a missing argument'],
      [2, 'plan update cortex', {}, 'a missing option'],
      [2, 'plan update cortex --fleet --to v2.1.0', {}, 'one service and all of them'],
      [2, 'plan update --fleet --image r', {}, 'one image for several services'],
      [2, 'plan update c --image r --strategy soon', {}, 'an unknown strategy'],
      [2, 'status --nonsense', {}, 'an unknown option'],
      [2, 'nonsense', {}, 'an unknown command'],
      [2, 'host', {}, 'half a command'],
      [2, 'host invite x --ttl soon', {}, 'a malformed duration'],
      [2, 'host waive h c --reason r --until 2020-01-01', {}, 'a date that has passed'],
      [2, 'host check --fix', {}, 'a fix of no host'],
      [2, 'host check alpha --fix --undo', {}, 'a fix that is undone'],
      [2, 'host check alpha --dry-run', {}, 'a dry run of nothing'],
      [2, 'user invite bob --role king', {}, 'an unknown role'],
      [2, 'audit --limit 0', {}, 'a limit of nothing'],
      [1, 'host check charlie --strict', {}, 'a critical finding, when strict'],
      [1, 'host show nobody', {}, 'an unknown host'],
      [
        3,
        'plan update cortex --image x',
        { makePlan: async () => ({ plan: refusedPlan }) },
        'a refused plan',
      ],
      [
        3,
        'backup run cortex',
        { makePlan: async () => ({ plan: refusedPlan }) },
        'a refused backup',
      ],
      [0, '--help', {}, 'help'],
      [0, 'help exit-codes', {}, 'help on exit codes'],
      [0, '--version', {}, 'the version'],
    ];
    for (const [code, args, over, what] of cases)
      it(`${code} for ${what}: ${args}`, async () => {
        const result = await answerTo(args, over);
        expect(result.code, result.stdout + result.stderr).to.equal(code);
        expect(result.stdout + result.stderr).to.not.match(/^\s+at /m);
      });

    const codes = {
      invalid: 2,
      refused: 3,
      stale: 3,
      denied: 3,
      'not-found': 1,
      failed: 1,
    } as const;
    for (const [code, exit] of Object.entries(codes))
      it(`${exit} when the controller answers ${code}`, async () => {
        const result = await answerTo('apply p-1', {
          applyPlan: async () => {
            throw new LeafwardError(code as keyof typeof codes, 'apply p-1: no', {
              detail: ['because'],
            });
          },
        });
        expect(result.code).to.equal(exit);
        expect(result.stderr).to.include(`leafward apply: [${code}] apply p-1: no\n  - because`);
      });

    it('4 when the patience ends before the operation', async () => {
      const result = await answerTo('apply p-7c21 --timeout 200ms', {
        watchOperation: async function* (_, call) {
          yield { operation, now: NOW };
          await new Promise((resolve) => call.signal.addEventListener('abort', resolve));
        },
      });
      expect(result.code).to.equal(4);
      expect(result.stderr).to.include('leafward operation watch op-19');
    });

    it('1 when nobody answers, and says what to look at', async () => {
      const result = await runOnce(['status'], '127.0.0.1:1');
      expect(result.code).to.equal(1);
      expect(result.stderr).to.match(
        /leafward status: \[unavailable] GetStatus at 127\.0\.0\.1:1: /,
      );
      expect(result.stderr).to.include('next: see that leafward-controller runs');
    });
  });

  it('prints every problem of a manifest with its path', async () => {
    const result = await answerTo('plan deploy fleet.yaml', {
      makePlan: async () => {
        throw new LeafwardError('invalid', 'the manifest has 2 problems', {
          detail: ['services.cortex.kind: unknown', 'services.cortex.members: two lead'],
        });
      },
    });
    expect(result.stderr).to.equal(
      'leafward plan deploy: [invalid] the manifest has 2 problems\n' +
        '  - services.cortex.kind: unknown\n  - services.cortex.members: two lead\n',
    );
  });

  it('shows a bug as one, with its stack only when asked', async () => {
    const connect = async (): Promise<never> => {
      throw new TypeError('x is undefined');
    };
    const plain = await runOnce(['status'], '', { context: { connect } });
    expect(plain.code).to.equal(1);
    expect(plain.stderr)
      .to.include('this is a bug of leafward: x is undefined')
      .and.not.match(/^ +at /m);
    const debug = await runOnce(['status'], '', {
      context: { connect },
      environment: { LEAFWARD_DEBUG: '1' },
    });
    expect(debug.stderr).to.match(/^ +at /m);
  });

  describe('on a terminal', () => {
    const tty = { interactive: true, columns: 100 };
    it('shows a plan again and does nothing without a yes', async () => {
      const { run, asked } = await start();
      const result = await run(['apply', 'p-7c21'], { ...tty, answer: false });
      expect(result.code).to.equal(3);
      expect(result.stdout).to.include('pull registry:5000/cortex:v2.150.0');
      expect(asked.map(({ method }) => method)).to.deep.equal(['getPlan']);
    });
    it('carries it out with one, redrawing in place, and leaves the cursor visible', async () => {
      const { run } = await start();
      const result = await run(['apply', 'p-7c21'], { ...tty, answer: true });
      expect(result.code).to.equal(0);
      expect(result.stdout).to.match(/\x1b\[\d+A\r\x1b\[J/);
      expect(result.stdout.endsWith('\x1b[?25h')).to.equal(true);
      expect(result.stdout).to.include('done: 2 moves');
    });
    it('asks before it revokes', async () => {
      const { run, asked } = await start();
      expect((await run(['user', 'revoke', 'bob', '--reason', 'left'], tty)).code).to.equal(3);
      expect(asked).to.deep.equal([]);
    });
  });

  it('goes on watching when the controller was away, and says so once', async () => {
    let calls = 0;
    const result = await answerTo('operation watch op-19', {
      watchOperation: async function* () {
        calls += 1;
        if (calls === 1) yield { operation, now: NOW };
        if (calls < 3) throw new LeafwardError('unavailable', 'shutting down');
        yield { operation: doneOperation, now: NOW };
      },
    });
    expect(result.code).to.equal(0);
    expect(calls).to.equal(3);
    expect(result.stderr).to.equal('the controller is away (shutting down); trying again\n');
    expect(result.stdout.match(/^\S+ {2}op-19: update cortex/gm)).to.have.length(1);
  });

  it('reads a secret’s value from stdin or a file, without its last newline, and prints it nowhere', async () => {
    const given: string[] = [];
    const setSecret: Handlers['setSecret'] = async ({ name, plaintext }) => {
      given.push(plaintext);
      if (name === 'no') throw new LeafwardError('refused', 'no');
      return canned.setSecret({ name, plaintext }, undefined as never);
    };
    const { run } = await start({ setSecret });
    const results = [
      await run(['secret', 'set', 'db-password']),
      await run(['secret', 'set', 'db-password', '--from-file', 'x', '-o', 'json']),
      await run(['secret', 'set', 'no']),
    ];
    expect(given).to.deep.equal(['correct horse', 'fleet: demo', 'correct horse']);
    expect(results.map(({ code }) => code)).to.deep.equal([0, 0, 3]);
    expect(JSON.stringify(results)).not.to.include('correct horse').and.not.include('fleet: demo');
    expect(results[0]?.stdout).to.include('hand it to 00.cortex');
  });

  it('completes commands and options in bash', async () => {
    const { stdout } = await answerTo('completion bash');
    const complete = (...words: string[]): string[] => {
      const script = `${stdout}\nCOMP_WORDS=(${words.map((w) => `'${w}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _leafward; echo "\${COMPREPLY[@]}"`;
      return spawnSync('bash', ['-c', script], { encoding: 'utf8' }).stdout.trim().split(' ');
    };
    expect(complete('leafward', 'st')).to.deep.equal(['status']);
    expect(complete('leafward', 'host', 'wai')).to.deep.equal(['waive', 'waivers']);
    expect(complete('leafward', 'host', 'check', 'alpha', '--fi')).to.deep.equal(['--fix']);
    expect(complete('leafward', 'plan', 'update', 'cortex', '--im')).to.deep.equal(['--image']);
  });
});
