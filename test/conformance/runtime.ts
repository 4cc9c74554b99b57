// What every runtime owes, real or not: one list of obligations, run against each of them.
import { expect } from 'chai';
import { setTimeout as delay } from 'node:timers/promises';
import type { ContainerFact, ContainerState } from '@leafward/shared/gen/domain.js';
import { LeafwardError, type ErrorCode } from '@leafward/shared/errors.js';
import type {
  Command,
  CommandResult,
  ContainerSpec,
  Runtime,
} from '@leafward/agent/runtimes/runtime.js';

/** `obedient` ends with 0 on SIGTERM, `stubborn` ignores it, `crashing` ends with 3 by itself. */
export type Behaviour = 'obedient' | 'stubborn' | 'crashing';

/**
 * What a subject runs in place of a service: `VALUE`, `BEHAVIOUR` and `STORAGE` come in the environment;
 * each run adds a line to `$STORAGE/runs`.
 */
export const MEMBER_SCRIPT = `#!/bin/sh
echo "ready $VALUE"
echo run >> "$STORAGE/runs"
case "$BEHAVIOUR" in
  crashing) echo "boom" >&2; exit 3 ;;
  stubborn) trap '' TERM ;;
  *) trap 'echo bye; exit 0' TERM ;;
esac
while :; do sleep 0.05; done
`;

export interface RuntimeSubject {
  readonly runtime: Runtime;
  /** A spec whose program is MEMBER_SCRIPT with this behaviour and VALUE; equal arguments, equal spec. */
  container(member: string, behaviour: Behaviour, value?: string): ContainerSpec;
  /** How often the member's program was run, by its own account in its storage. */
  runs(member: string): Promise<number>;
  /** A reference that `resolve` knows, and one that nothing answers to. */
  readonly reference: string;
  readonly unknownReference: string;
  /** A new runtime over the same state, as after the agent was killed and started again. */
  reopen(): Promise<Runtime>;
  /** SIGKILLs the member's program behind the runtime's back. */
  kill(member: string): Promise<void>;
  /** Ends everything that was made. */
  close(): Promise<void>;
}

const PATIENCE_MS = 10_000;

/** Asks until the answer satisfies; fails with the last answer. */
export async function eventually<T>(
  ask: () => Promise<T> | T,
  satisfies: (answer: T) => boolean,
  what: string,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const giveUpAt = Date.now() + patienceMs;
  for (;;) {
    const answer = await ask();
    if (satisfies(answer)) return answer;
    if (Date.now() > giveUpAt) throw new Error(`${what}: still ${JSON.stringify(answer)}`);
    await delay(20);
  }
}

async function codeOf(promise: Promise<unknown>): Promise<ErrorCode | 'none'> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    if (error instanceof LeafwardError) return error.code;
    throw error;
  }
}

/** Registers the suite; `makeSubject` is called once before it. Members are named after their test. */
export function runtimeObligations(name: string, makeSubject: () => Promise<RuntimeSubject>): void {
  describe(`the ${name} runtime`, function () {
    this.timeout(60_000);
    let subject: RuntimeSubject;
    const signal = new AbortController().signal;
    before(async () => {
      subject = await makeSubject();
    });
    after(async () => {
      await subject?.close();
    });

    const state = (member: string, wanted: ContainerState): Promise<ContainerFact> =>
      eventually(
        () => subject.runtime.inspect(member, signal),
        (fact) => fact.state === wanted,
        `${member} is ${wanted}`,
      );
    const begin = async (member: string, behaviour: Behaviour): Promise<ContainerSpec> => {
      const container = subject.container(member, behaviour);
      await subject.runtime.pull(container.spec.image, () => undefined, signal);
      await subject.runtime.create(container, signal);
      await subject.runtime.start(member, signal);
      await eventually(
        () => subject.runs(member),
        (runs) => runs >= 1,
        `${member} ran`,
      );
      return container;
    };

    imageObligations();
    lifeObligations();
    surroundingObligations();
    commandObligations();

    function imageObligations(): void {
      it('resolves a reference to a digest, and says not-found for one that is not there', async () => {
        const image = await subject.runtime.resolve(subject.reference, signal);
        expect(image.digest).to.match(/^sha256:[0-9a-f]{64}$/);
        expect(await codeOf(subject.runtime.resolve(subject.unknownReference, signal))).to.equal(
          'not-found',
        );
      });

      it('has an image after a pull, also after a second one', async () => {
        const { image } = subject.container('m-image', 'obedient').spec;
        for (let time = 0; time < 2; time += 1) {
          const pulled = await subject.runtime.pull(image, () => undefined, signal);
          expect(pulled.digest).to.equal(image.digest);
          expect(await subject.runtime.hasImage(image, signal)).to.equal(true);
        }
        const other = { ...image, digest: `sha256:${'0'.repeat(64)}` };
        expect(await subject.runtime.hasImage(other, signal)).to.equal(false);
      });
    }

    function lifeObligations(): void {
      it('pulls one image for several at the same moment', async () => {
        const { image } = subject.container('m-images', 'obedient', 'several').spec;
        const pulls = Array.from({ length: 4 }, () =>
          subject.runtime.pull(image, () => undefined, signal),
        );
        for (const pulled of await Promise.all(pulls)) expect(pulled.digest).to.equal(image.digest);
      });

      it('says absent of a member that it does not know', async () => {
        expect((await subject.runtime.inspect('m-nobody', signal)).state).to.equal('absent');
      });

      it('creates without starting, keeps an equal one and refuses to replace another', async () => {
        const container = subject.container('m-create', 'obedient');
        await subject.runtime.pull(container.spec.image, () => undefined, signal);
        await subject.runtime.create(container, signal);
        const made = await subject.runtime.inspect('m-create', signal);
        expect(made).to.include({ state: 'created', restartPolicy: 'no' });
        expect(made.specDigest).to.equal(container.specDigest);
        expect(made.imageDigest).to.equal(container.spec.image.digest);
        await subject.runtime.create(container, signal);
        expect((await subject.runtime.inspect('m-create', signal)).id).to.equal(made.id);
        const other = subject.container('m-create', 'obedient', 'changed');
        expect(await codeOf(subject.runtime.create(other, signal))).to.equal('already-exists');
        expect(await subject.runs('m-create')).to.equal(0);
      });

      it('starts once however often it is told, gives its output and stops it with proof', async () => {
        await begin('m-life', 'obedient');
        await subject.runtime.start('m-life', signal);
        const running = await state('m-life', 'running');
        expect(running.startedAt).to.be.a('number');
        const options = { sinceMs: 0, maxLines: 10 };
        await eventually(
          () => subject.runtime.tail('m-life', options, signal),
          (lines) => lines.some((line) => line.includes('ready m-life')),
          'its output holds its environment',
        );
        await subject.runtime.stop('m-life', 5000, signal);
        const stopped = await subject.runtime.inspect('m-life', signal);
        expect(stopped.state).to.equal('exited');
        expect(stopped.exitCode).to.equal(0);
        expect(await subject.runs('m-life')).to.equal(1);
      });

      it('starts several at the same moment, each once', async () => {
        const members = ['m-many-1', 'm-many-2', 'm-many-3', 'm-many-4'];
        for (let round = 1; round <= 3; round += 1) {
          await Promise.all(members.map((member) => begin(member, 'obedient')));
          for (const member of members)
            await eventually(
              () => subject.runs(member),
              (runs) => runs === round,
              `${member} ran`,
            );
          await Promise.all(members.map((one) => subject.runtime.stop(one, 5000, signal)));
        }
      });

      it('starts an exited one again and stops what is stopped or absent at once', async () => {
        await begin('m-again', 'obedient');
        await subject.runtime.stop('m-again', 5000, signal);
        await subject.runtime.start('m-again', signal);
        await eventually(
          () => subject.runs('m-again'),
          (runs) => runs === 2,
          'it ran twice',
        );
        await subject.runtime.stop('m-again', 5000, signal);
        await subject.runtime.stop('m-again', 5000, signal);
        await subject.runtime.stop('m-nobody', 5000, signal);
      });

      it('kills one that does not obey when its grace is over', async () => {
        await begin('m-stubborn', 'stubborn');
        await subject.runtime.stop('m-stubborn', 1000, signal);
        const stopped = await subject.runtime.inspect('m-stubborn', signal);
        expect(stopped.state).to.equal('exited');
        expect(stopped.exitCode).to.equal(137);
      });

      it('reports the exit code and the last words of one that ends by itself', async () => {
        await begin('m-crash', 'crashing');
        const fact = await state('m-crash', 'exited');
        expect(fact.exitCode).to.equal(3);
        const options = { sinceMs: 0, maxLines: 1 };
        expect(await subject.runtime.tail('m-crash', options, signal)).to.have.length(1);
        expect((await subject.runtime.tail('m-crash', options, signal))[0]).to.include('boom');
      });

      it('removes a stopped one, never a running one', async () => {
        await begin('m-remove', 'obedient');
        expect(await codeOf(subject.runtime.remove('m-remove', signal))).to.equal('refused');
        await subject.runtime.stop('m-remove', 5000, signal);
        await subject.runtime.remove('m-remove', signal);
        expect((await subject.runtime.inspect('m-remove', signal)).state).to.equal('absent');
        expect(await subject.runs('m-remove')).to.equal(1); // the storage stays
        await subject.runtime.remove('m-remove', signal);
      });
    }

    function surroundingObligations(): void {
      it('lists what it made with the paths that it writes', async () => {
        const container = await begin('m-list', 'obedient');
        const listed = (await subject.runtime.list(signal)).find((one) => one.member === 'm-list');
        expect(listed).to.include({ running: true, restartPolicy: 'no' });
        expect(listed?.writes).to.include(container.spec.storage);
        await subject.runtime.setRestartPolicyNo(listed?.name ?? '', signal);
      });

      it('ends what it lists by its name, with proof', async () => {
        await begin('m-listed', 'stubborn');
        const listed = (await subject.runtime.list(signal)).find(
          (one) => one.member === 'm-listed',
        );
        await subject.runtime.stopListed(listed?.name ?? '', 100, signal);
        expect((await subject.runtime.inspect('m-listed', signal)).state).to.equal('exited');
        await subject.runtime.stopListed('nobody-of-this-name', 100, signal);
      });

      it('finds its running members again after the agent was killed', async () => {
        await begin('m-adopt', 'obedient');
        const earlier = await state('m-adopt', 'running');
        const reopened = await subject.reopen();
        const later = await reopened.inspect('m-adopt', signal);
        expect(later).to.include({ state: 'running', id: earlier.id });
        expect(later.startedAt).to.equal(earlier.startedAt);
        await reopened.stop('m-adopt', 5000, signal);
        expect(await subject.runs('m-adopt')).to.equal(1);
      });

      it('calls back when a member dies and starts none by itself', async () => {
        await begin('m-watch', 'obedient');
        const watching = new AbortController();
        let changes = 0;
        subject.runtime.watch(() => (changes += 1), watching.signal);
        await delay(300); // a watch may need a moment to be in place; what counts comes after
        const before = changes;
        await subject.kill('m-watch');
        await eventually(
          () => changes,
          (seen) => seen > before,
          'the death was told',
        );
        watching.abort();
        expect((await state('m-watch', 'exited')).exitCode).to.equal(137);
        expect(await subject.runs('m-watch')).to.equal(1);
      });
    }

    function commandObligations(): void {
      const run = (
        container: ContainerSpec,
        script: string,
        change: Partial<Command> = {},
        stop = signal,
      ): Promise<CommandResult> =>
        subject.runtime.run(
          container,
          { argv: ['sh', '-c', script], deadlineMs: 10_000, maxOutputBytes: 10_000, ...change },
          stop,
        );
      /** Writes into the storage for ever, from the background. */
      const BEATS = '(while :; do echo beat >> "$STORAGE/runs"; sleep 0.05; done)';
      const seeBeats = async (member: string): Promise<void> => {
        const before = await subject.runs(member);
        await eventually(
          () => subject.runs(member),
          (runs) => runs > before + 1,
          'it writes',
        );
      };
      const expectRest = async (member: string): Promise<void> => {
        const before = await subject.runs(member);
        await delay(300);
        expect(await subject.runs(member), 'writes after its end').to.equal(before);
      };

      for (const where of ['beside a running member', 'for a stopped member'] as const)
        describe(`a command ${where}`, () => {
          const member = where === 'for a stopped member' ? 'm-stopped' : 'm-running';
          let container: ContainerSpec;
          before(async () => {
            container = await begin(member, 'obedient');
            if (member === 'm-stopped') await subject.runtime.stop(member, 5000, signal);
          });
          after(() => subject.runtime.stop(member, 5000, signal));

          it('has its environment, its storage and an exit code', async () => {
            const script = 'echo "$VALUE in $(pwd)"; echo complaint >&2; exit 7';
            const result = await run(container, script);
            expect(result).to.include({ exitCode: 7, stderr: 'complaint\n', truncated: false });
            expect(result.stdout).to.equal(`${member} in ${container.spec.storageTarget}\n`);
          });

          it('is given its words as they are', async () => {
            const argv = ['sh', '-c', 'printf "%s|" "$@"', 'sh', 'a b', '$HOME', "it's", ''];
            const result = await run(container, '', { argv });
            expect(result.stdout).to.equal("a b|$HOME|it's||");
          });

          it('is not found when there is no such program', async () => {
            const argv = ['no-such-program-anywhere'];
            expect(await codeOf(run(container, '', { argv }))).to.equal('not-found');
          });

          it('may print without an end: the beginning is kept, each line is told', async () => {
            let lines = 0;
            const result = await run(container, 'yes 0123456789 | head -n 200000; echo last', {
              onLine: () => (lines += 1),
            });
            expect(result).to.include({ exitCode: 0, truncated: true });
            expect(result.stdout.length).to.be.within(1000, 10_000);
            expect(lines).to.equal(200_001);
          });

          it('is killed at its deadline with all that it began', async () => {
            const attempt = codeOf(run(container, `${BEATS} & ${BEATS}`, { deadlineMs: 1500 }));
            await seeBeats(member);
            expect(await attempt).to.equal('timeout');
            await expectRest(member);
          });

          it('is killed on an abort with all that it began', async () => {
            const stop = new AbortController();
            const attempt = codeOf(run(container, `${BEATS} & sleep 100`, {}, stop.signal));
            await seeBeats(member);
            stop.abort();
            expect(await attempt).to.equal('aborted');
            await expectRest(member);
          });

          it('is over when its program is, whoever still holds its output', async () => {
            const result = await run(container, `${BEATS} & echo done; exit 3`);
            expect(result).to.include({ exitCode: 3, stdout: 'done\n' });
            await expectRest(member);
          });

          it('is never taken for another user of the storage', async () => {
            const stop = new AbortController();
            const attempt = codeOf(run(container, BEATS, {}, stop.signal));
            await seeBeats(member);
            const users = (await subject.runtime.list(signal)).filter((one) =>
              one.writes.includes(container.spec.storage),
            );
            expect(users.map((one) => one.member)).to.not.include(undefined);
            expect(users.some((one) => one.member === member && one.command !== true)).to.equal(
              true,
            );
            if (member === 'm-stopped')
              expect(users.some((one) => one.command === true && one.running)).to.equal(true);
            stop.abort();
            await attempt;
            const after = await subject.runtime.list(signal);
            expect(after.filter((one) => one.command === true)).to.deep.equal([]);
          });

          it('leaves the member as it was', async () => {
            const state = member === 'm-stopped' ? 'exited' : 'running';
            const before = await subject.runtime.inspect(member, signal);
            await run(container, 'true');
            expect(await subject.runtime.inspect(member, signal)).to.deep.equal(before);
            expect(before.state).to.equal(state);
          });
        });
    }
  });
}
