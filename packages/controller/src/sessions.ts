// The open streams of agents: who is connected, what was sent down and not yet answered. Intent goes out after it
// was committed, never before. A second stream of a host ends the first.
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type {
  Hello,
  HostIntent,
  IntentAnswer,
  LogsWish,
  Report,
  SecretValue,
  SessionRequest,
  SessionResponse,
} from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import { statusFromError } from '@leafward/shared/rpc/status.js';
import type { Fleet } from './fleet.js';
import { wishesFor } from './history-words.js';
import { afterReport, type LiveHost } from './live-hosts.js';
import { createTold, type Told } from './older-copy.js';
import type { Rebuilder } from './rebuild/rebuilder.js';
import { leasesOf } from './planning/lease.js';
import { changesOfReport } from './report-changes.js';
import { paceFor } from './report-pace.js';
import { tellReturn } from './returns.js';
import { wordsFor } from './service-words.js';

export type AgentStream = ServerDuplexStream<SessionRequest, SessionResponse>;

export interface Sessions {
  /** Takes a stream whose caller was proven to be this host's agent, until its certificate ends. */
  accept(host: string, stream: AgentStream, certificate: AgentCertificate): void;
  /** Ends streams whose agents have gone silent; call it now and then. */
  sweep(): void;
  /** Ends the stream of a host that may no longer come in, at once; true when there was one. */
  end(host: string, reason: string): boolean;
  /** Tells every agent to come back later and ends the streams. */
  drain(reason: string, afterMs: number): void;
  connected(): number;
  /** Asks a host's agent to call with lines of logs; the session's number, or undefined: it is not here. */
  wish(host: string, wish: LogsWish): number | undefined;
  /** Reports that arrived since start. */
  reports(): number;
  onReport(listener: (host: string) => void): void;
}

/** What the stream came with. */
export interface AgentCertificate {
  /** Wall clock. */
  readonly expiresAt: number;
  /** True once it was taken back, also by the host being enrolled anew from elsewhere. */
  readonly isRevoked: () => boolean;
}

export interface SessionOptions {
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly log: Logger;
  readonly reportEveryMs: number;
  /** Keeps a host's facts for the time after a restart. */
  readonly remember: (host: string) => void;
  /** The values of the secrets that this order names; they go to its host and nowhere else. */
  readonly secretsFor?: (intent: HostIntent) => readonly SecretValue[];
  /** Puts a lost store together from what agents remember. */
  readonly rebuilder?: Pick<Rebuilder, 'asks' | 'heard'>;
  /** Sees every report, for the metrics. */
  readonly onReport?: (host: string, report: Report) => void;
}

/** An intent or request that the agent does not show in its reports is sent again after this. */
const RESEND_MS = 5000;
/** An agent whose stream is open but that reports nothing for this long (and three of its intervals) is silent. */
const SILENT_AFTER_MS = 20_000;

interface Session {
  readonly id: number;
  readonly host: string;
  readonly stream: AgentStream;
  /** The agent comes again with a renewed one long before its end. */
  readonly certificate: AgentCertificate;
  welcomed: boolean;
  /** The host as it was known before; until its first report. */
  before: LiveHost | undefined;
  /** Nothing is ordered or confirmed before it has said what it remembers. */
  awaitsMemory: boolean;
  /** Monotonic clock. */
  heardAt: number;
  intentSentAt: number;
  intentGeneration: number;
  /** The order whose secrets were sent last, in this session. */
  secretsGeneration: number;
  readonly requestsSentAt: Map<string, number>;
  /** The interval that the agent was told last. */
  everyMs: number;
}

/** The open sessions and what their functions share. */
interface Table extends SessionOptions {
  readonly open: Map<string, Session>;
  readonly listeners: ((host: string) => void)[];
  readonly told: Told;
  nextId: number;
  reports: number;
}

export function createSessions(options: SessionOptions): Sessions {
  const table: Table = {
    ...options,
    open: new Map(),
    listeners: [],
    told: createTold({ ...options, now: () => options.clock.now() }),
    nextId: 1,
    reports: 0,
  };
  const { open, clock } = table;
  options.fleet.onCommit((changes) => {
    if (changes.some((change) => change.kind === 'operation')) repace(table);
    const hosts = new Set<string>();
    for (const change of changes) {
      if (change.kind === 'intent') hosts.add(change.intent.host);
      if (change.kind === 'request') hosts.add(change.state.host);
    }
    for (const host of hosts) {
      const session = open.get(host);
      if (session !== undefined) push(table, session);
    }
  });
  return {
    accept: (host, stream, certificate) => accept(table, host, stream, certificate),
    sweep() {
      const limitMs = Math.max(SILENT_AFTER_MS, 3 * options.reportEveryMs);
      for (const session of [...open.values()]) {
        const { certificate } = session;
        if (certificate.expiresAt <= clock.now())
          cut(table, session, new LeafwardError('unauthenticated', 'the certificate has expired'));
        else if (certificate.isRevoked())
          cut(table, session, new LeafwardError('denied', 'its certificate was revoked'));
        else if (clock.monotonic() - session.heardAt > limitMs)
          cut(table, session, silentFor(limitMs));
      }
    },
    end(host, reason) {
      const session = open.get(host);
      if (session === undefined) return false;
      cut(table, session, new LeafwardError('denied', reason));
      return true;
    },
    drain(reason, afterMs) {
      for (const session of [...open.values()]) {
        session.stream.write({ kind: 'reconnect', reason, afterMs });
        session.stream.end();
      }
    },
    connected: () => open.size,
    wish(host, wish) {
      const session = open.get(host);
      if (session?.welcomed !== true) return undefined;
      session.stream.write({ kind: 'logs-wish', ...wish });
      return session.id;
    },
    reports: () => table.reports,
    onReport: (listener) => void table.listeners.push(listener),
  };
}

const silentFor = (ms: number): LeafwardError =>
  new LeafwardError('unavailable', `nothing was heard for ${Math.round(ms / 1000)} s`);

function accept(
  table: Table,
  host: string,
  stream: AgentStream,
  certificate: AgentCertificate,
): void {
  const before = table.open.get(host);
  if (before !== undefined) end(table, before, 'a newer stream of this host took its place');
  const session: Session = {
    id: table.nextId++,
    host,
    stream,
    certificate,
    welcomed: false,
    before: table.fleet.host(host),
    awaitsMemory: false,
    heardAt: table.clock.monotonic(),
    intentSentAt: 0,
    intentGeneration: -1,
    secretsGeneration: -1,
    requestsSentAt: new Map(),
    everyMs: table.reportEveryMs,
  };
  table.open.set(host, session);
  // One message at a time, in order: a report's outcomes are on disk before the next report is looked at.
  let turn: Promise<void> = Promise.resolve();
  stream.on('data', (message: SessionRequest) => {
    session.heardAt = table.clock.monotonic();
    turn = turn
      .then(() => onMessage(table, session, message))
      .catch((error: unknown) => {
        table.log.error({ host, err: error }, `a message of ${host} could not be taken`);
        end(table, session, 'the controller could not take a message; see its log');
      });
  });
  stream.on('error', (error) => close(table, session, error.message));
  stream.on('cancelled', () => close(table, session, 'the connection broke'));
  stream.on('end', () => {
    stream.end();
    close(table, session, 'the agent ended it');
  });
}

async function onMessage(table: Table, session: Session, message: SessionRequest): Promise<void> {
  // A stream that was ended or replaced has no say any more, whatever of it still stood in line.
  if (table.open.get(session.host) !== session) return;
  switch (message.kind) {
    case 'hello':
      return welcome(table, session, message);
    case 'report':
      if (session.welcomed) await onReport(table, session, message);
      return;
    case 'intent-answer':
      onIntentAnswer(table, session, message);
  }
}

/** A refusal is kept until the order is taken, so that whoever waits for it can be told why. */
function onIntentAnswer(
  { fleet, log }: Table,
  { host }: Session,
  { generation, accepted, reason = 'no reason given' }: IntentAnswer,
): void {
  fleet.setHost({ ...fleet.host(host), refusedIntent: accepted ? undefined : reason });
  if (!accepted)
    log.warn({ host, generation }, `agent of ${host} refused intent ${generation}: ${reason}`);
}

async function welcome(table: Table, session: Session, hello: Hello): Promise<void> {
  const { fleet, clock, rebuilder } = table;
  const { host } = session;
  if (hello.host !== host) {
    end(table, session, `it says it is ${hello.host}, its certificate says ${host}`);
    return;
  }
  const rebuilding = rebuilder?.asks(hello) === true;
  if (rebuilding) await fleet.raiseEpoch(hello.newestEpoch ?? hello.epoch);
  else table.told.hello(hello);
  session.welcomed = true;
  session.awaitsMemory = rebuilding;
  // It counts as connected from its first report on: what was remembered from before says nothing about now.
  fleet.setHost({
    ...fleet.host(host),
    lastSeenAt: clock.now(),
    acceptedGeneration: hello.generation,
    clockOffsetMs: hello.clockMs - clock.now(),
  });
  session.stream.write({
    kind: 'welcome',
    epoch: fleet.epoch,
    clockMs: clock.now(),
    reportEveryMs: paceFor(fleet, host, table.reportEveryMs),
    ...(rebuilding ? { rebuilding } : {}),
  });
  push(table, session);
  table.log.info({ host, agent: hello.agentVersion }, `agent of ${host} is here`);
}

async function onReport(table: Table, session: Session, report: Report): Promise<void> {
  const { fleet, clock } = table;
  const { host } = session;
  table.reports += 1;
  table.onReport?.(host, report);
  const order = fleet.intent(host);
  const live = afterReport(fleet.host(host), report, clock.now());
  const leases = order?.generation === report.generation ? leasesOf(order) : live.leases;
  fleet.setHost({ ...live, leases, session: session.id });
  table.told.report(host, report);
  const settled = report.outcomes
    .filter((outcome) => outcome.state !== 'running')
    .map((outcome) => outcome.requestId);
  for (const id of settled) session.requestsSentAt.delete(id);
  // A whole snapshot costs too much for a thousand agents that come back and say what is known already.
  if (changesOfReport(fleet.knownOf(host), host, report).length > 0)
    await fleet.transact((snapshot) => ({
      changes: changesOfReport(snapshot, host, report),
      value: undefined,
    }));
  const { before } = session;
  session.before = undefined;
  if (before !== undefined) await tellReturn(fleet, before, report);
  await table.rebuilder?.heard(host, report);
  if (report.memory !== undefined) session.awaitsMemory = false;
  const mayConfirm = (await fleet.isOwner()) && !session.awaitsMemory;
  if (table.open.get(host) !== session) return;
  // Before the answer leaves: the agent counts from its question, so never later than this.
  fleet.setHost({ ...fleet.host(host), answeredAtMs: clock.monotonic() });
  session.stream.write({
    kind: 'report-answer',
    sequence: report.sequence,
    permits: mayConfirm ? table.told.permits(host, report) : [],
    settled,
    clockMs: clock.now(),
    reportEveryMs: (session.everyMs = paceFor(fleet, host, table.reportEveryMs)),
    services: mayConfirm ? wordsFor(fleet, host) : undefined,
    histories: mayConfirm ? wishesFor(fleet, host, clock.now()) : undefined,
  });
  push(table, session);
  for (const listener of table.listeners) listener(host);
}

/** Asks the agent to come again and closes the stream from this side. */
function end(table: Table, session: Session, reason: string): void {
  session.stream.write({ kind: 'reconnect', reason, afterMs: 1000 });
  session.stream.end();
  close(table, session, reason);
}

/** Ends the stream at once, with the error as its status. */
function cut(table: Table, session: Session, error: LeafwardError): void {
  close(table, session, error.text);
  session.stream.emit('error', statusFromError(error));
}

function close(table: Table, session: Session, why: string): void {
  const { host } = session;
  if (table.open.get(host) !== session) return;
  table.open.delete(host);
  table.fleet.setHost({ ...table.fleet.host(host), session: undefined });
  table.remember(host);
  table.log.info({ host, why }, `agent of ${host} is gone: ${why}`);
  for (const listener of table.listeners) listener(host);
}

/** Sends what the agent has not got yet: the newest intent, and open requests. */
function push(table: Table, session: Session): void {
  const { fleet, clock } = table;
  if (!session.welcomed || session.awaitsMemory) return;
  if (fleet.olderCopy.found() !== undefined) return;
  const monotonic = clock.monotonic();
  const intent = fleet.intent(session.host);
  if (intent !== undefined) sendSecrets(table, session, intent);
  const accepted = fleet.host(session.host).acceptedGeneration ?? -1;
  if (
    intent !== undefined &&
    accepted !== intent.generation &&
    (session.intentGeneration < intent.generation || monotonic - session.intentSentAt > RESEND_MS)
  ) {
    session.intentGeneration = intent.generation;
    session.intentSentAt = monotonic;
    // The epoch is the sender's: an intent that an earlier controller made is this one's word now.
    session.stream.write({ kind: 'intent', intent: { ...intent, epoch: fleet.epoch } });
  }
  for (const { request } of fleet.pending(session.host)) {
    const sentAt = session.requestsSentAt.get(request.id);
    if (sentAt !== undefined && monotonic - sentAt < RESEND_MS) continue;
    session.requestsSentAt.set(request.id, monotonic);
    const complete = fleet.words.complete(request);
    session.stream.write({ kind: 'request', request: { ...complete, epoch: fleet.epoch } });
  }
}

/** Before the order that names them; and once in every session, since an agent may have lost what it had. */
function sendSecrets(table: Table, session: Session, intent: HostIntent): void {
  if (session.secretsGeneration >= intent.generation) return;
  session.secretsGeneration = intent.generation;
  for (const secret of table.secretsFor?.(intent) ?? [])
    session.stream.write({ kind: 'secret', ...secret });
}

/** Agents that an operation begins to touch are asked to look and tell at once, not at their next turn. */
function repace(table: Table): void {
  for (const session of table.open.values()) {
    const everyMs = paceFor(table.fleet, session.host, table.reportEveryMs);
    if (session.welcomed && everyMs < session.everyMs)
      session.stream.write({ kind: 'pace', reportEveryMs: everyMs });
    session.everyMs = everyMs;
  }
}
