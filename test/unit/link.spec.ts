// The agent's session over real TLS: it comes back by itself, notices silence, and lets nothing bad through.
import { once } from 'node:events';
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { toBinary, type DescMessage } from '@bufbuild/protobuf';
import { Server as GrpcServer, type ServerDuplexStream } from '@grpc/grpc-js';
import { expect } from 'chai';
import { enrollAgent, openAgentIdentity, startAgentRenewal } from '@leafward/agent/identity.js';
import { startLink, type Link } from '@leafward/agent/link.js';
import { createClockOffset } from '@leafward/agent/link/clock-offset.js';
import { createOutbox } from '@leafward/agent/link/outbox.js';
import { backoffMs } from '@leafward/shared/backoff.js';
import { systemClock, type Clock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Report, SessionRequest, SessionResponse } from '@leafward/shared/gen/domain.js';
import { SessionResponseSchema } from '@leafward/shared/gen/leafward/v1/agent_pb.js';
import { createCsr } from '@leafward/shared/pki/csr.js';
import { saveIdentity } from '@leafward/shared/pki/identity-directory.js';
import type { IdentityKeeper } from '@leafward/shared/pki/identity-keeper.js';
import type { Identity } from '@leafward/shared/pki/identity.js';
import { codecOf } from '@leafward/shared/rpc/codec.js';
import { MAX_MESSAGE_BYTES } from '@leafward/shared/rpc/options.js';
import { DAY_MS, eventually, log, startFixture, type Fixture } from './enrollment-fixture.js';

type Stream = ServerDuplexStream<SessionRequest, SessionResponse>;

const encode = (message: SessionResponse): Buffer =>
  Buffer.from(
    toBinary(
      SessionResponseSchema as DescMessage,
      codecOf(SessionResponseSchema).toMessage(message),
    ),
  );

/** A controller on the fixture's own port that writes bytes instead of messages, of any size. */
async function rawController(
  fixture: Fixture,
  serve: (stream: ServerDuplexStream<Buffer, Buffer>) => void,
): Promise<GrpcServer> {
  const server = new GrpcServer({ 'grpc.max_send_message_length': -1 });
  const same = (bytes: Buffer): Buffer => bytes;
  const session = {
    ...{ path: '/leafward.v1.AgentService/Session', requestStream: true, responseStream: true },
    ...{ requestSerialize: same, requestDeserialize: same },
    ...{ responseSerialize: same, responseDeserialize: same },
  };
  server.addService(
    { session },
    {
      session: (stream: ServerDuplexStream<Buffer, Buffer>) => {
        stream.on('error', () => undefined);
        stream.once('data', () => serve(stream));
      },
    },
  );
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${fixture.mtlsPort}`, fixture.server.mutual, (error) =>
      error === null ? resolve() : reject(error),
    ),
  );
  return server;
}

const report = (sequence: number): { readonly kind: 'report' } & Report => ({
  ...{ kind: 'report', sequence, sentAt: 0, generation: 0 },
  ...{ members: [], outcomes: [], refusedOrders: 0 },
});
const answer = (generation: number): SessionRequest => ({
  ...{ kind: 'intent-answer', generation, accepted: true },
});

describe('the link', function () {
  this.timeout(120_000);
  let fixture: Fixture;
  let identity: IdentityKeeper;
  let link: Link | undefined;
  let streams: Stream[];
  let callers: Identity[];
  let received: SessionRequest[];
  let messages: SessionResponse[];
  let states: string[];
  let count = 0;

  const enroll = async (): Promise<void> => {
    count += 1;
    const stateDir = join(fixture.dir, `agent-${count}`);
    await enrollAgent(stateDir, await fixture.inviteHost('alpha'));
    identity = await openAgentIdentity(stateDir);
  };
  const start = (onMessage = (message: SessionResponse): void => void messages.push(message)) => {
    link = startLink({
      identity,
      hello: () => ({
        ...{ host: 'alpha', agentVersion: '0.1.0', bootId: 'b' },
        ...{ generation: 3, epoch: 1, clockMs: Date.now() },
      }),
      onMessage,
      onState: (connected, reason) => states.push(`${connected}: ${reason ?? ''}`),
      clock: systemClock,
      log,
    });
    return link;
  };
  const connected = () => eventually('the link is connected', () => link?.connected() === true);
  const disconnected = () => eventually('it noticed', () => link?.connected() === false, 15_000);
  const welcome = (clockMs = Date.now()): SessionResponse => ({
    ...{ kind: 'welcome', epoch: 1, clockMs, reportEveryMs: 5000 },
  });
  const last = (): Stream => {
    const stream = streams.at(-1);
    if (stream === undefined) throw new Error('there is no stream');
    return stream;
  };

  before(async () => {
    fixture = await startFixture();
  });
  beforeEach(async () => {
    [streams, callers, received, messages, states] = [[], [], [], [], []];
    fixture.session = (stream, { caller }) => {
      streams.push(stream);
      callers.push(caller);
      stream.on('error', () => undefined);
      stream.on('data', (message: SessionRequest) => {
        received.push(message);
        if (message.kind === 'hello') stream.write(welcome());
      });
    };
    await enroll();
  });
  afterEach(async () => {
    await link?.stop();
    link = undefined;
  });
  after(() => fixture.stop());

  it('says hello, is welcomed, sends and hears', async () => {
    const started = start();
    expect(started.send(report(1))).to.equal(false);
    await connected();
    expect(received[0]).to.include({ kind: 'hello', host: 'alpha', generation: 3 });
    expect(callers[0]).to.include({ kind: 'agent', name: 'alpha' });
    expect(started.send(report(1))).to.equal(true);
    expect(started.send(answer(4))).to.equal(true);
    await eventually('both arrived', () => received.length === 3);
    last().write({
      ...{ kind: 'report-answer', sequence: 1, permits: [], settled: ['r'] },
      ...{ clockMs: Date.now(), reportEveryMs: 5000 },
    });
    await eventually('the answer arrived', () => messages.length === 2);
    expect(messages.map((message) => message.kind)).to.deep.equal(['welcome', 'report-answer']);
    expect(states).to.deep.equal(['true: ']);
    await started.stop();
    expect(states).to.deep.equal(['true: ', 'false: this agent stops']);
    expect(started.send(report(2))).to.equal(false);
  });

  it('comes back by itself after its controller was killed', async () => {
    start();
    await connected();
    fixture.killMtls();
    await disconnected();
    await fixture.reviveMtls();
    await connected();
    expect(streams.length).to.equal(2);
    expect(states.map((state) => state.split(':')[0])).to.deep.equal(['true', 'false', 'true']);
  });

  it('keeps its connection when the controller renews its certificate', async () => {
    const started = start();
    await connected();
    await fixture.server.renew();
    started.send(report(7));
    await eventually('it arrived', () => received.some((message) => message.kind === 'report'));
    expect(streams.length).to.equal(1);
    expect(states).to.deep.equal(['true: ']);
  });

  it('connects again when it is asked to, not before it is asked to', async () => {
    start();
    await connected();
    const asked = Date.now();
    last().write({ kind: 'reconnect', reason: 'the controller restarts', afterMs: 500 });
    await eventually('it came back', () => streams.length === 2);
    expect(Date.now() - asked).to.be.at.least(490);
    expect(states[1]).to.contain('the controller restarts');
    expect(messages.every((message) => message.kind === 'welcome')).to.equal(true);
  });

  describe('to a controller that sends bytes of its own', () => {
    let raw: GrpcServer;
    afterEach(async () => {
      raw.forceShutdown();
      await fixture.reviveMtls();
    });

    const bad: readonly [string, Buffer, RegExp][] = [
      ['too large', Buffer.alloc(MAX_MESSAGE_BYTES + 1), /larger than max/],
      ['malformed', Buffer.from('ffffffff00', 'hex'), /parsing error/],
      ['without a kind', Buffer.alloc(0), /says no kind/],
    ];
    for (const [what, bytes, reason] of bad)
      it(`resets the connection at a message that is ${what}, and follows nothing after it`, async () => {
        fixture.killMtls();
        let sessions = 0;
        raw = await rawController(fixture, (stream) => {
          sessions += 1;
          stream.write(encode(welcome()));
          stream.write(bytes);
          stream.write(encode(welcome(0)));
        });
        start();
        await eventually('it tried again', () => sessions >= 2);
        expect(
          messages.every((message) => message.kind === 'welcome' && message.clockMs > 0),
        ).to.equal(true);
        expect(states[1]).to.match(reason);
      });
  });

  it('resets the connection at an order that cannot be followed', async () => {
    let orders = 0;
    start((message) => {
      if (message.kind === 'welcome') return;
      orders += 1;
      throw new LeafwardError('invalid', 'an intent for another host');
    });
    await connected();
    const intent = { host: 'bravo', generation: 1, epoch: 1, members: [] };
    last().write({ kind: 'intent', intent });
    await eventually('it came back', () => streams.length === 2);
    expect(orders).to.equal(1);
    expect(states[1]).to.contain('cannot be followed: an intent for another host');
  });

  it('does not take orders before the welcome', async () => {
    fixture.session = (stream) => {
      streams.push(stream);
      stream.on('error', () => undefined);
      const intent = { host: 'alpha', generation: 9, epoch: 1, members: [] };
      stream.write({ kind: 'intent', intent });
    };
    start();
    await eventually('it tried again', () => streams.length >= 2);
    expect(messages).to.deep.equal([]);
    expect(states).to.deep.equal(['false: the controller said intent before welcome']);
  });

  it('is refused once its identity is revoked, and says so', async () => {
    start();
    await connected();
    await fixture.enrollment.revoke({ kind: 'agent', name: 'alpha', reason: 'lost', by: 'test' });
    last().end();
    await disconnected();
    await link?.stop();
    states.length = 0;
    start();
    await eventually('it was refused', () => states.length === 1);
    expect(states[0]).to.match(/^false: .*\[denied\].*alpha was revoked/);
    expect(streams.length).to.equal(1);
  });

  it('goes on with the new certificate after a renewal', async () => {
    start();
    await connected();
    const renewed = await fixture.enrollment.renewCertificate(
      identity.certificate(),
      createCsr(identity.current().keyPem, 'x'),
    );
    await identity.replace({ ...identity.current(), certificatePem: renewed.certificatePem });
    await eventually('it came back', () => streams.length === 2);
    expect(callers[1]?.serial).to.equal(identity.certificate().serial);
    expect(callers[1]?.serial).to.not.equal(callers[0]?.serial);
  });

  describe('with a silent network between', () => {
    let proxy: Server;
    const sockets: Socket[] = [];
    afterEach(() => {
      for (const socket of sockets) socket.destroy();
      proxy.close();
    });

    it('notices within five seconds that nothing comes any more', async () => {
      proxy = createServer((near) => {
        const far = connectTcp(fixture.mtlsPort, '127.0.0.1');
        near.pipe(far).pipe(near);
        for (const socket of [near, far]) sockets.push(socket.on('error', () => undefined));
      });
      await once(proxy.listen(0, '127.0.0.1'), 'listening');
      const { port } = proxy.address() as { port: number };
      await identity.replace({ ...identity.current(), address: `127.0.0.1:${port}` });
      start();
      await connected();
      const silentAt = Date.now();
      for (const socket of sockets) socket.unpipe().pause();
      await disconnected();
      expect(Date.now() - silentAt).to.be.lessThan(6500); // 4.5 s, and a machine that is busy
    });
  });

  describe('beside the renewal', () => {
    let short: Fixture;
    afterEach(() => short.stop());

    it('renews at a third of its life left, again and again, without a restart', async () => {
      short = await startFixture({ lifetimeMs: 3000 });
      const stateDir = join(short.dir, 'agent');
      await enrollAgent(stateDir, await short.inviteHost('alpha'));
      const keeper = await openAgentIdentity(stateDir);
      const serials = new Set([keeper.certificate().serial]);
      const renewal = startAgentRenewal(keeper, { clock: systemClock, log, random: () => 0 });
      const seen = (): boolean => serials.add(keeper.certificate().serial).size >= 3;
      await eventually('it renewed twice', seen, 20_000);
      expect((await openAgentIdentity(stateDir)).current()).to.deep.equal(keeper.current());
      await renewal.stop();
    });

    it('renews an expired certificate at the start, unless it was revoked', async () => {
      short = await startFixture();
      short.clock.offsetMs = -60 * DAY_MS;
      const stateDir = join(short.dir, 'agent');
      const old = await enrollAgent(stateDir, await short.inviteHost('alpha'));
      short.clock.offsetMs = 0;
      const keeper = await openAgentIdentity(stateDir);
      const renewal = startAgentRenewal(keeper, { clock: systemClock, log });
      await eventually('it lives', () => keeper.certificate().expiresAt > Date.now());
      await renewal.stop();

      await short.enrollment.revoke({ kind: 'agent', name: 'alpha', reason: 'lost', by: 'test' });
      await saveIdentity(stateDir, old);
      const revoked = await openAgentIdentity(stateDir);
      const refusals: number[] = [];
      // Waiting ends the test's renewal: it may only wait for long, an hour, after a refusal.
      const clock: Clock = {
        ...systemClock,
        sleep: async (ms, signal) => {
          refusals.push(ms);
          await systemClock.sleep(ms, signal);
        },
      };
      const second = startAgentRenewal(revoked, { clock, log });
      await eventually('it was refused', () => refusals.length === 1);
      expect(refusals[0]).to.equal(3_600_000);
      expect(revoked.current()).to.deep.equal(old);
      await second.stop();
    });
  });
});

describe('the outbox', () => {
  const connection = () => {
    const written: SessionRequest[] = [];
    let drain = (): void => undefined;
    return {
      written,
      writable: true,
      drain: () => drain(),
      write(message: SessionRequest): boolean {
        written.push(message);
        return this.writable;
      },
      onDrain: (listener: () => void) => void (drain = listener),
    };
  };

  it('keeps every answer and the newest report while the other side is slow', () => {
    const slow = connection();
    slow.writable = false;
    const outbox = createOutbox(slow, () => undefined);
    for (const message of [report(1), report(2), answer(1), report(3), answer(2)])
      expect(outbox.push(message)).to.equal(true);
    expect(slow.written).to.deep.equal([report(1)]);
    slow.writable = true;
    slow.drain();
    expect(slow.written).to.deep.equal([report(1), answer(1), answer(2), report(3)]);
  });

  it('says so when answers find no more room', () => {
    const slow = connection();
    slow.writable = false;
    const outbox = createOutbox(slow, () => undefined);
    const pushed = Array.from({ length: 300 }, (_, i) => outbox.push(answer(i)));
    expect(pushed.indexOf(false)).to.equal(257); // one is written, 256 wait
  });
});

describe('the clock offset', () => {
  it('is the controller’s time plus half the round trip, by the quickest of the last answers', () => {
    const clock = { ...systemClock, now: () => wall, monotonic: () => mono };
    let [wall, mono] = [1_000_000, 0];
    const pass = (ms: number): void => void ([wall, mono] = [wall + ms, mono + ms]);
    const offset = createClockOffset(clock);
    const exchange = (sequence: number, outMs: number, backMs: number): void => {
      offset.sent(report(sequence));
      pass(outMs);
      const clockMs = wall + 3000;
      pass(backMs);
      offset.received({
        ...{ kind: 'report-answer', sequence, permits: [], settled: [], clockMs, reportEveryMs: 1 },
      });
    };
    expect(offset.milliseconds()).to.equal(undefined);
    exchange(1, 500, 100);
    expect(offset.milliseconds()).to.equal(3200);
    exchange(2, 5, 5);
    exchange(3, 0, 300);
    expect(offset.milliseconds()).to.equal(3000);
    offset.received({
      ...{ kind: 'report-answer', sequence: 99, permits: [], settled: [], clockMs: 0 },
      reportEveryMs: 1,
    });
    expect(offset.milliseconds()).to.equal(3000);
  });
});

describe('the backoff', () => {
  it('grows, is jittered over its whole width, and stays within its bounds', () => {
    const limits = { minMs: 200, maxMs: 15_000 };
    const draw = (failures: number, random: number) => backoffMs(failures, limits, random);
    expect([0, 1, 2, 3].map((n) => draw(n, 1))).to.deep.equal([200, 400, 800, 1600]);
    expect(draw(1000, 1)).to.equal(15_000);
    expect(draw(1000, 0)).to.equal(200);
  });
});
