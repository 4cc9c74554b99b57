// Whatever an agent sees, it can tell: every report that it can build is a message that the controller takes.
import { fromBinary, toBinary, type MessageShape } from '@bufbuild/protobuf';
import { expect } from 'chai';
import fc from 'fast-check';
import type { HostFact, Outcome, Report } from '@leafward/shared/gen/domain.js';
import { ReportSchema } from '@leafward/shared/gen/leafward/v1/agent_pb.js';
import { createLogger } from '@leafward/shared/log.js';
import { systemClock } from '@leafward/shared/clock.js';
import { codecOf } from '@leafward/shared/rpc/codec.js';
import { fitted, MAX_TEXT_CHARS } from '@leafward/shared/rpc/fit.js';
import { planSteps } from '@leafward/agent/plan.js';
import { memberFacts } from '@leafward/agent/report.js';
import { emptyState, type JournalState } from '@leafward/agent/journal/records.js';
import { memoryOf } from '@leafward/agent/memory.js';
import { createReporter, type Reporter, type ReporterOptions } from '@leafward/agent/reporter.js';
import { intentOf, memberOf, mirrorIntent, observedOf } from './agent-world.js';

const codec = codecOf(ReportSchema);
const taken = (report: Report): object => {
  const message = codec.toMessage(report) as MessageShape<typeof ReportSchema>;
  return codec.toData(fromBinary(ReportSchema, toBinary(ReportSchema, message)));
};

/** Anything that a kernel, a service or somebody's file may say. */
const figure = fc.oneof(
  fc.double(),
  fc.maxSafeInteger(),
  fc.constantFrom(2 ** 63, -(2 ** 63), 0.5, -0, Number.NaN, Infinity),
);
const text = fc.string({ unit: 'binary', maxLength: 20 });
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined });

const hostFact: fc.Arbitrary<HostFact> = fc.record({
  seenAt: figure,
  bootId: text,
  agentVersion: text,
  agentStartedAt: figure,
  memoryTotalBytes: figure,
  memoryAvailableBytes: figure,
  load1: figure,
  cpus: figure,
  agentRssBytes: figure,
  agentCpuSeconds: figure,
  loopDelayP99Ms: figure,
  volumes: fc.array(
    fc.record({
      path: text,
      device: text,
      fileSystem: text,
      totalBytes: figure,
      freeBytes: figure,
      fdatasyncP50Ms: maybe(figure),
      probedAt: maybe(figure),
    }),
    { maxLength: 3 },
  ),
  os: text,
  kernel: text,
});

const member = fc
  .record({
    intent: fc.constantFrom(intentOf(), mirrorIntent(), intentOf({ run: 'retired' })),
    container: fc.record({
      state: fc.constantFrom('running' as const, 'exited' as const, 'absent' as const),
      startedAt: maybe(figure),
      exitCode: maybe(figure),
      error: maybe(text),
    }),
    engine: fc.record({ answered: fc.boolean(), position: maybe(figure), health: maybe(text) }),
    storage: fc.record({ freeBytes: maybe(figure), totalBytes: maybe(figure), error: maybe(text) }),
    permit: fc.record({ leftMs: figure, ageMs: figure }),
    leftMs: figure,
    at: figure,
    lastLines: fc.array(text, { maxLength: 3 }),
  })
  .map(({ intent, leftMs, at, ...seen }) =>
    memberOf(intent, {
      ...seen,
      backoff: { cause: 'exit', failures: 1, leftMs },
      marker: {
        kind: 'found',
        marker: {
          format: 1,
          service: 'cortex',
          member: '00.cortex',
          term: 3,
          retired: { term: 2, at, reason: 'x' },
        },
      },
    }),
  );

const outcome: fc.Arbitrary<Outcome> = fc.record({
  requestId: text,
  state: fc.constantFrom('succeeded' as const, 'unknown' as const),
  startedAt: figure,
  finishedAt: maybe(figure),
  message: maybe(text),
  position: maybe(figure),
  history: maybe(fc.record({ offset: figure, sha256: text })),
  changes: fc.constant([]),
});

describe('a report', () => {
  it('can be told whatever was seen', () => {
    const report = fc
      .record({ member, host: maybe(hostFact), outcomes: fc.array(outcome, { maxLength: 2 }) })
      .map(({ member: seen, host, outcomes }): Report => {
        const observed = observedOf(seen);
        const members = memberFacts(observed, planSteps(observed), () => undefined);
        const head = { sequence: 1, sentAt: 1.5, generation: 1, refusedOrders: 0 };
        return { ...head, host, members, outcomes, findings: undefined, backups: undefined };
      });
    fc.assert(
      fc.property(report, (built) => {
        expect(taken(fitted(ReportSchema, built))).to.have.property('sequence', 1);
      }),
    );
  });

  it('is the same object when everything fits', () => {
    const report: Report = {
      sequence: 1,
      sentAt: 1,
      generation: 1,
      members: [],
      outcomes: [],
      refusedOrders: 0,
    };
    expect(fitted(ReportSchema, report)).to.equal(report);
  });

  it('says a size beyond all numbers as the largest, and cuts an endless text', () => {
    const observed = observedOf(
      memberOf(intentOf(), {
        storage: { totalBytes: 2 ** 63, error: 'x'.repeat(1_000_000) },
        engine: { answered: true, position: Number.NaN },
      }),
    );
    const places: string[] = [];
    const { members } = fitted(
      ReportSchema,
      {
        sequence: 1,
        sentAt: 1,
        generation: 1,
        members: memberFacts(observed, planSteps(observed), () => undefined),
        outcomes: [],
        refusedOrders: 0,
      },
      (where) => places.push(where),
    );
    const [fact] = members;
    expect(fact?.storage.totalBytes).to.equal(Number.MAX_SAFE_INTEGER);
    expect(fact?.storage.error?.length).to.be.at.most(MAX_TEXT_CHARS + 1);
    expect(fact?.engine.position).to.equal(undefined);
    expect(places).to.include('Report.members[0].storage.totalBytes');
  });

  it('leaves the agent in a form that can be told', async () => {
    // An elastic network file system says that it has 8 EiB.
    const observed = observedOf(memberOf(intentOf(), { storage: { totalBytes: 2 ** 63 } }));
    const report = await firstReport({
      members: () => memberFacts(observed, planSteps(observed), () => undefined),
    });
    expect(taken(report)).to.have.property('sequence', 1);
  });

  it('tells what it remembers as it was given, and only a controller that asks', async () => {
    const environment = { LONG: 'x'.repeat(MAX_TEXT_CHARS + 1) };
    const leader = intentOf();
    const order = {
      host: 'alpha',
      generation: 7,
      epoch: 3,
      members: [{ ...leader, spec: { ...leader.spec, environment } }],
    };
    const state: JournalState = {
      ...emptyState,
      intent: order,
      terms: { cortex: 3 },
      promotions: { '00.cortex': 3 },
      retirements: {
        '/srv/old': {
          member: '00.cortex',
          service: 'cortex',
          storage: '/srv/old',
          term: 2,
          reason: 'failed over',
          at: 5,
          proven: true,
        },
      },
    };
    const memory = () => memoryOf(state);
    expect(memory()).to.equal(memory());
    const asked = await firstReport({ memory }, true);
    expect(taken(asked))
      .to.have.property('memory')
      .that.deep.equals({
        order,
        terms: { cortex: 3 },
        promotions: { '00.cortex': 3 },
        storages: [
          {
            storage: '/srv/old',
            member: '00.cortex',
            retirement: { service: 'cortex', term: 2, at: 5, reason: 'failed over' },
          },
        ],
        openRequests: [],
      });
    expect((await firstReport({ memory })).memory).to.equal(undefined);
  });
});

/** What an agent tells first to a controller that has welcomed it. */
async function firstReport(
  options: Partial<ReporterOptions>,
  rebuilding?: boolean,
): Promise<Report> {
  let reporter: Reporter | undefined;
  const report = await new Promise<Report>((resolve) => {
    reporter = createReporter({
      clock: systemClock,
      log: createLogger('test', 'silent'),
      monotonic: () => 1,
      send: (sent) => {
        resolve(sent);
        return true;
      },
      observeHost: () => Promise.reject(new Error('the host says nothing')),
      findings: () => [],
      backups: () => [],
      duties: () => [],
      members: () => [],
      outcomes: () => [],
      memory: () => memoryOf(emptyState),
      generation: () => 1,
      isReady: () => true,
      refusedOrders: () => 0,
      ...options,
    });
    reporter.welcomed(1000, rebuilding);
  });
  reporter?.stop();
  return report;
}
