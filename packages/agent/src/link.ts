// The agent's session with its controller: dials, says hello, dials again for ever. Every bound of it is here: how
// long a dial may take, how much waits to be sent, how soon it tries again. Never decides anything of the fleet.
import { backoffMs } from '@leafward/shared/backoff.js';
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { Hello, SessionRequest, SessionResponse } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import type { IdentityKeeper } from '@leafward/shared/pki/identity-keeper.js';
import { createClockOffset } from './link/clock-offset.js';
import { dial, type Dialled } from './link/dial.js';
import { createOutbox } from './link/outbox.js';

export interface LinkOptions {
  readonly identity: IdentityKeeper;
  /** Asked at every dial. */
  readonly hello: () => Hello;
  /**
   * Everything that the controller says, but for `reconnect`, which the link follows itself. A LeafwardError
   * thrown here is taken for a message that cannot be followed: the connection is reset.
   */
  readonly onMessage: (message: SessionResponse) => void;
  /** Called at every change, the first failure included; connected: the controller has welcomed this agent. */
  readonly onState: (connected: boolean, reason?: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
  /** Within [0, 1). Default Math.random. */
  readonly random?: () => number;
}

export interface Link {
  /** False: not connected, nothing was taken. Of reports that wait, only the newest is sent. */
  send(message: SessionRequest): boolean;
  connected(): boolean;
  /** The controller's clock minus this host's, milliseconds; undefined before the first answer. */
  clockOffsetMs(): number | undefined;
  stop(): Promise<void>;
}

const BACKOFF = { minMs: 200, maxMs: 15_000 };
const STEADY_MS = 10_000; // a connection that lived this long was a good one: the backoff begins anew
const WELCOME_TIMEOUT_MS = 10_000; // connect, handshake and the controller's first word
const MAX_RECONNECT_AFTER_MS = 60_000; // an order to come back later than this is not followed to the letter

export function startLink(options: LinkOptions): Link {
  const { clock, log, random = Math.random } = options;
  const stopped = new AbortController();
  const offset = createClockOffset(clock);
  let session: Session | undefined;
  let told: boolean | undefined;
  const tell = (connected: boolean, reason?: string): void => {
    if (told === connected) return;
    told = connected;
    options.onState(connected, reason);
  };

  const run = async (): Promise<void> => {
    let failures = 0;
    while (!stopped.signal.aborted) {
      const end = await runSession(
        { ...options, onState: tell },
        offset,
        stopped.signal,
        (now) => (session = now),
      );
      session = undefined;
      if (stopped.signal.aborted) return;
      const isSteady = end.livedMs >= STEADY_MS;
      failures = isSteady ? 0 : failures + 1;
      // Asked to come back by a connection that did not last: not sooner than the backoff says.
      const isAsked = isSteady && end.reconnectMs !== undefined;
      const leastMs = isAsked ? 0 : backoffMs(failures, BACKOFF, random());
      const waitMs = Math.max(leastMs, end.reconnectMs ?? 0);
      log.warn(
        `no session with the controller: ${end.reason}; next try in ${Math.ceil(waitMs)} ms`,
      );
      await sleepUntilChange(options, waitMs, stopped.signal);
    }
  };
  const done = run();
  return {
    send: (message) => session?.send(message) ?? false,
    connected: () => session?.welcomed() ?? false,
    clockOffsetMs: () => offset.milliseconds(),
    stop: async () => {
      stopped.abort();
      await done;
    },
  };
}

interface Session {
  send(message: SessionRequest): boolean;
  welcomed(): boolean;
}
interface SessionEnd {
  readonly reason: string;
  /** From the welcome; 0 when there was none. */
  readonly livedMs: number;
  /** Set when the end was asked for. */
  readonly reconnectMs?: number | undefined;
}

/** One connection from dial to end; never throws for what the other side does. */
function runSession(
  options: LinkOptions,
  offset: ReturnType<typeof createClockOffset>,
  signal: AbortSignal,
  publish: (session: Session) => void,
): Promise<SessionEnd> {
  const { clock, identity, onState } = options;
  return new Promise((resolve) => {
    const over = new AbortController();
    let welcomedAt: number | undefined;
    const connection: Dialled = dial(identity, {
      onMessage: (message) => receive(message),
      onEnd: (error) => end(messageOf(error)),
    });
    const outbox = createOutbox(connection, (message) => offset.sent(message));

    const end = (reason: string, reconnectMs?: number): void => {
      if (over.signal.aborted) return;
      over.abort();
      unsubscribe();
      signal.removeEventListener('abort', onStop);
      connection.close();
      const livedMs = welcomedAt === undefined ? 0 : clock.monotonic() - welcomedAt;
      onState(false, reason);
      resolve({ reason, livedMs, reconnectMs });
    };
    const receive = (message: SessionResponse): void => {
      if (over.signal.aborted) return;
      offset.received(message);
      if (message.kind === 'reconnect') {
        const afterMs = Math.min(Math.max(0, message.afterMs), MAX_RECONNECT_AFTER_MS);
        return end(`the controller asks to connect again: ${message.reason}`, afterMs);
      }
      if (message.kind === 'welcome' && welcomedAt === undefined) {
        welcomedAt = clock.monotonic();
        onState(true);
      }
      if (welcomedAt === undefined)
        return end(`the controller said ${message.kind} before welcome`);
      const complaint = complaintOf(() => options.onMessage(message));
      if (complaint !== undefined) end(`a message cannot be followed: ${complaint}`);
    };
    const onStop = (): void => end('this agent stops');
    // A session ends with its certificate: after a renewal the next one begins at once.
    const unsubscribe = identity.onChange(() => end('the certificate was renewed', 0));
    signal.addEventListener('abort', onStop, { once: true });
    if (signal.aborted) return end('this agent stops');

    publish({
      welcomed: () => welcomedAt !== undefined && !over.signal.aborted,
      send: (message) => {
        if (welcomedAt === undefined || over.signal.aborted) return false;
        if (outbox.push(message)) return true;
        end('the controller takes no answers');
        return false;
      },
    });
    outbox.push({ kind: 'hello', ...options.hello() });
    clock.sleep(WELCOME_TIMEOUT_MS, over.signal).then(
      () => {
        if (welcomedAt === undefined) end(`no welcome within ${WELCOME_TIMEOUT_MS} ms`);
      },
      () => undefined,
    );
  });
}

/** The text of an operating error; a bug goes on up. */
function complaintOf(act: () => void): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (error instanceof LeafwardError) return error.text;
    throw error;
  }
}

/** A renewed certificate may be what was missing: it ends the wait. */
async function sleepUntilChange(
  { clock, identity }: LinkOptions,
  ms: number,
  stop: AbortSignal,
): Promise<void> {
  const changed = new AbortController();
  const unsubscribe = identity.onChange(() => changed.abort());
  try {
    await clock.sleep(ms, AbortSignal.any([stop, changed.signal]));
  } catch {
    // woken or stopped; the loop looks
  } finally {
    unsubscribe();
  }
}
