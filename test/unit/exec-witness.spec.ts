// A leader that is asked from a mirror's host in the words of its kind: what is a yes, what is a no, and what is
// neither, since nobody was asked. Real processes.
import { expect } from 'chai';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { ExecCommand, LeaderProbe } from '@leafward/shared/gen/domain.js';
import { isAble, missingFor } from '@leafward/shared/manifest/abilities.js';
import { parseKinds } from '@leafward/shared/manifest/parse-kinds.js';
import { makeExecFixture, SECRET, shell, signal, step, type ExecFixture } from './exec-fixture.js';

const LEADER = 'db://127.0.0.1:6432/x';

describe('a leader that is asked with a command', function () {
  this.timeout(120_000);
  let fixture: ExecFixture;
  beforeEach(async () => {
    fixture = await makeExecFixture();
  });
  afterEach(() => fixture.close());

  const ask = (
    answers: ExecCommand,
    { url = LEADER, timeoutMs = 10_000, stop = signal } = {},
  ): Promise<LeaderProbe> => {
    const { engine } = fixture;
    if (engine.probeLeader === undefined) throw new Error('it cannot ask');
    return engine.probeLeader(fixture.member({ commands: { answers } }), { url, timeoutMs }, stop);
  };
  const errorOf = async (attempt: Promise<unknown>): Promise<LeafwardError> => {
    const error: unknown = await attempt.then(
      (value) => new Error(`it brought ${JSON.stringify(value)}`),
      (failure: unknown) => failure,
    );
    if (error instanceof LeafwardError) return error;
    throw error;
  };
  const byExitCode = (script: string): ExecCommand => shell(script, { format: 'exit-code' });

  it('is asked under the URL that is given, whatever its own order says', async () => {
    const { said } = await ask({
      ...shell(''),
      steps: [
        step('', {
          run: ['sh', '-c', 'echo yes "$@"', 'sh', '{upstreamUrl}', '{upstream.host}'].concat([
            '{upstream.port}',
            '{timeoutSeconds}',
          ]),
        }),
      ],
      match: '^(yes|no)',
    });
    expect(said).to.equal(`yes ${LEADER} 127.0.0.1 6432 5`);
  });

  it('answers when the command says so, by its words or by its exit code', async () => {
    expect(await ask(shell('echo yes'))).to.include({ answered: true, said: 'yes' });
    expect(await ask(byExitCode('echo loading >&2'))).to.include({
      ...{ answered: true, said: 'loading' },
    });
    expect((await ask(byExitCode('true'))).said).to.equal('exit code 0');
  });

  it('does not answer when the command ran and said no', async () => {
    expect(await ask(shell('echo no'))).to.include({ answered: false, said: 'no' });
    for (const code of [1, 2, 124])
      expect(await ask(byExitCode(`exit ${code}`))).to.include({
        ...{ answered: false, said: `exit code ${code}` },
      });
  });

  it('is not known of when the command is missing, fails, is killed or talks nonsense', async () => {
    const bad: readonly (readonly [ExecCommand, RegExp])[] = [
      [byExitCode('no-such-program-anywhere'), /exit code 127/],
      [
        { ...shell(''), steps: [step('', { run: ['no-such-program-anywhere'] })] },
        /no such program/,
      ],
      [byExitCode('kill -KILL $$'), /exit code 137/],
      [shell('echo yes; exit 1'), /exit code 1/],
      [shell('echo perhaps'), /no yes or no/],
      [shell('true'), /answered nothing/],
    ];
    for (const [command, text] of bad) expect((await errorOf(ask(command))).text).to.match(text);
  });

  it('is not known of when the command hangs past its time', async () => {
    const { code } = await errorOf(ask(shell('sleep 60; echo no'), { timeoutMs: 300 }));
    expect(code).to.equal('timeout');
    const short = { ...shell(''), steps: [step('sleep 60; echo no', { deadlineMs: 300 })] };
    expect((await errorOf(ask(short))).code).to.equal('timeout');
  });

  it('is not asked by a name that nobody resolves here', async () => {
    const { code, text } = await errorOf(ask(shell('echo no'), { url: 'db://leader.invalid:1' }));
    expect(code).to.equal('unavailable');
    expect(text).to.include('leader.invalid').and.to.include('says nothing of whether it answers');
    // A container with a network of its own may know other names.
    const { engine } = fixture;
    const inNetwork = fixture.member(
      { commands: { answers: shell('echo no') } },
      { networkMode: 'db' },
    );
    const own = { ...inNetwork, spec: { ...inNetwork.spec, runtime: 'docker' as const } };
    const options = { url: 'db://leader.invalid:1', timeoutMs: 10_000 };
    expect(await engine.probeLeader?.(own, options, signal)).to.include({ answered: false });
  });

  it('cannot be asked without a command for it', async () => {
    const { engine } = fixture;
    const options = { url: LEADER, timeoutMs: 1000 };
    const attempt = engine.probeLeader?.(fixture.member({ commands: {} }), options, signal);
    expect((await errorOf(attempt ?? Promise.resolve())).text).to.include('no command answers');
  });

  it('is not known of when the caller breaks off, and shows no secret', async () => {
    const caller = new AbortController();
    caller.abort();
    const aborted = ask(shell('echo no'), { stop: caller.signal });
    expect((await errorOf(aborted)).code).to.equal('aborted');
    const { said } = await ask(shell('echo "no: $PASSWORD"', { match: '^(yes|no)' }));
    expect(said).to.include('[hidden]').and.not.to.include(SECRET);
  });

  it('is tried by the test of an engine at a mirror, and not at a leader, which has nobody to ask', async () => {
    const { engine } = fixture;
    const leader = fixture.member({ commands: { answers: shell('echo yes') } });
    expect(await engine.test(leader, signal)).to.deep.equal([]);
    const [answer] = await engine.test({ ...leader, upstreamUrl: LEADER }, signal);
    expect(answer).to.include({ command: 'answers', ok: true, value: 'true' });
  });

  it('has words that say where the leader is, or it would be its mirror that is asked', () => {
    const problemsWith = (run: string): readonly string[] => {
      const kinds = parseKinds(`kinds: { store: { commands: { answers: { run: ${run} } } } }`);
      return kinds.ok ? [] : kinds.problems.map(({ message }) => message);
    };
    expect(problemsWith("[ping, '{upstream.host}']")).to.deep.equal([]);
    expect(problemsWith("[ping, '{storage}']")).to.deep.equal([
      'answers asks the leader, and none of its words says where that is: {upstreamUrl}, {upstream.host}, {upstream.port}',
    ]);
  });

  it('is an ability of its kind', () => {
    const exec = { commands: {}, positions: 'number' as const };
    expect(missingFor('witness', { shape: 'tree', exec })).to.deep.equal(['answers']);
    expect(isAble('witness', { shape: 'tree' })).to.equal(true);
    expect(isAble('witness', { shape: 'stack' })).to.equal(false);
    const able = { ...exec, commands: { answers: shell('echo yes') } };
    expect(isAble('witness', { shape: 'tree', exec: able })).to.equal(true);
  });
});
