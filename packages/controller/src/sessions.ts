// The open streams of agents: who is connected, what was sent down and not yet answered. Intent goes out after it
// was committed, never before. A second stream of a host ends the first.
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { Clock } from '@leafward/shared/clock.js';
import type { SessionRequest, SessionResponse } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import type { Fleet } from './fleet.js';
import { afterReport } from './live-hosts.js';
import { permitsFor } from './permits.js';
import { changesOfReport } from './report-changes.js';

export type AgentStream = ServerDuplexStream<SessionRequest, SessionResponse>;

export interface Sessions {
  /** Takes a stream whose caller was proven to be this host's agent. */
  accept(host: string, stream: AgentStream): void;
  /** Ends streams whose agents have gone silent; call it now and then. */
  sweep(): void;
  /** Ends the stream of a host at once; true when there was one. */
  end(host: string, reason: string): boolean;
  /** Tells every agent to come back later and ends the streams. */
  drain(reason: string, afterMs: number): void;
  connected(): number;
  /** Reports that arrived since start. */
  reports(): number;
  onReport(listener: (host: string) => void): void;
}

export interface SessionOptions {
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly log: Logger;
  readonly reportEveryMs: number;
  /** Keeps a host's facts for the time after a restart. */
  readonly remember: (host: string) => void;
}

/** While an operation touches a host its agent reports this often, so that moves do not wait for a timer. */
const BUSY_REPORT_MS = 250;
/** An intent or request that the agent does not show in its reports is sent again after this. */
const RESEND_MS = 5000;
/** An agent whose stream is open but that reports nothing for this long (and three of its intervals) is silent. */
const SILENT_AFTER_MS = 20_000;

interface Session {
  readonly id: number;
  readonly host: string;
  readonly stream: AgentStream;
  welcomed: boolean;
  /** Monotonic clock. */
  heardAt: number;
  intentSentAt: number;
  intentGeneration: number;
  readonly requestsSentAt: Map<string, number>;
}

export function createSessions(options: SessionOptions): Sessions {
  const { fleet, clock, log } = options;
  const open = new Map<string, Session>();
  const listeners: ((host: string) => void)[] = [];
  let nextId = 1;
  let reports = 0;

  const pushTo = (session: Session): void => {
    if (session.welcomed) push(session, fleet, clock.monotonic());
  };
  fleet.onCommit((changes) => {
    const hosts = new Set<string>();
    for (const change of changes) {
      if (change.kind === 'intent') hosts.add(change.intent.host);
      if (change.kind === 'request') hosts.add(change.state.host);
    }
    for (const host of hosts) {
      const session = open.get(host);
      if (session !== undefined) pushTo(session);
    }
  });

  const close = (session: Session, why: string): void => {
    if (open.get(session.host) !== session) return;
    open.delete(session.host);
    fleet.setHost({ ...fleet.host(session.host), session: undefined });
    options.remember(session.host);
    log.info({ host: session.host, why }, `agent of ${session.host} is gone: ${why}`);
    for (const listener of listeners) listener(session.host);
  };

  const onReport = async (
    session: Session,
    report: Extract<SessionRequest, { kind: 'report' }>,
  ): Promise<void> => {
    reports += 1;
    const now = clock.now();
    fleet.setHost(afterReport(fleet.host(session.host), report, now));
    const settled = report.outcomes
      .filter((outcome) => outcome.state !== 'running')
      .map((outcome) => outcome.requestId);
    for (const id of settled) session.requestsSentAt.delete(id);
    if (report.outcomes.length > 0 || report.backups !== undefined)
      await fleet.transact((snapshot) => ({
        changes: changesOfReport(snapshot, session.host, report),
        value: undefined,
      }));
    if (open.get(session.host) !== session) return;
    session.stream.write({
      kind: 'report-answer',
      sequence: report.sequence,
      permits: permitsFor(fleet.intent(session.host), fleet.services()),
      settled,
      clockMs: clock.now(),
      reportEveryMs: paceFor(fleet, session.host, options.reportEveryMs),
    });
    pushTo(session);
    for (const listener of listeners) listener(session.host);
  };

  const onMessage = async (session: Session, message: SessionRequest): Promise<void> => {
    switch (message.kind) {
      case 'hello':
        if (message.host !== session.host) {
          end(session, `it says it is ${message.host}, its certificate says ${session.host}`);
          return;
        }
        session.welcomed = true;
        fleet.setHost({
          ...fleet.host(session.host),
          session: session.id,
          lastSeenAt: clock.now(),
          acceptedGeneration: message.generation,
          clockOffsetMs: message.clockMs - clock.now(),
        });
        session.stream.write({
          kind: 'welcome',
          epoch: fleet.epoch,
          clockMs: clock.now(),
          reportEveryMs: paceFor(fleet, session.host, options.reportEveryMs),
        });
        pushTo(session);
        log.info(
          { host: session.host, agent: message.agentVersion },
          `agent of ${session.host} is here`,
        );
        return;
      case 'report':
        if (session.welcomed) await onReport(session, message);
        return;
      case 'intent-answer':
        if (!message.accepted)
          log.warn(
            { host: session.host, generation: message.generation },
            `agent of ${session.host} refused intent ${message.generation}: ${message.reason ?? 'no reason given'}`,
          );
    }
  };

  const end = (session: Session, reason: string): void => {
    session.stream.write({ kind: 'reconnect', reason, afterMs: 1000 });
    session.stream.end();
    close(session, reason);
  };

  return {
    accept(host, stream) {
      const before = open.get(host);
      if (before !== undefined) end(before, 'a newer stream of this host took its place');
      const session: Session = {
        id: nextId++,
        host,
        stream,
        welcomed: false,
        heardAt: clock.monotonic(),
        intentSentAt: 0,
        intentGeneration: -1,
        requestsSentAt: new Map(),
      };
      open.set(host, session);
      // One message at a time, in order: a report's outcomes are on disk before the next report is looked at.
      let turn: Promise<void> = Promise.resolve();
      stream.on('data', (message: SessionRequest) => {
        session.heardAt = clock.monotonic();
        turn = turn
          .then(() => onMessage(session, message))
          .catch((error: unknown) => {
            log.error({ host, err: error }, `a message of ${host} could not be taken`);
            end(session, 'the controller could not take a message; see its log');
          });
      });
      stream.on('error', (error) => close(session, error.message));
      stream.on('cancelled', () => close(session, 'the connection broke'));
      stream.on('end', () => {
        stream.end();
        close(session, 'the agent ended it');
      });
    },
    sweep() {
      const limitMs = Math.max(SILENT_AFTER_MS, 3 * options.reportEveryMs);
      for (const session of [...open.values()])
        if (clock.monotonic() - session.heardAt > limitMs) {
          end(session, `nothing was heard for ${Math.round(limitMs / 1000)} s`);
          session.stream.destroy();
        }
    },
    end(host, reason) {
      const session = open.get(host);
      if (session === undefined) return false;
      end(session, reason);
      session.stream.destroy();
      return true;
    },
    drain(reason, afterMs) {
      for (const session of [...open.values()]) {
        session.stream.write({ kind: 'reconnect', reason, afterMs });
        session.stream.end();
      }
    },
    connected: () => open.size,
    reports: () => reports,
    onReport: (listener) => void listeners.push(listener),
  };
}

/** Sends what the agent has not got yet: the newest intent, and open requests. */
function push(session: Session, fleet: Fleet, monotonic: number): void {
  const intent = fleet.intent(session.host);
  const accepted = fleet.host(session.host).acceptedGeneration ?? -1;
  if (
    intent !== undefined &&
    accepted < intent.generation &&
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
    session.stream.write({ kind: 'request', request: { ...request, epoch: fleet.epoch } });
  }
}

function paceFor(fleet: Fleet, host: string, idleMs: number): number {
  const services = fleet.services();
  const busy = fleet
    .operations()
    .some(
      (operation) =>
        operation.state === 'running' &&
        operation.services.some((service) =>
          services[service]?.declaration.members.some((member) => member.host === host),
        ),
    );
  return busy ? Math.min(BUSY_REPORT_MS, idleMs) : idleMs;
}
