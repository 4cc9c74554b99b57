// The lines between hosts. Bytes of one stream arrive in order or not at all; a line that is blocked keeps them until
// it is whole again or an end gives up by its keepalive, each end by itself. What was on its way when one end gave up
// may still reach the other.
import type { SessionRequest, SessionResponse } from '@leafward/shared/gen/domain.js';
import {
  SessionRequestSchema,
  SessionResponseSchema,
} from '@leafward/shared/gen/leafward/v1/agent_pb.js';
import { wireDecoderOf } from '@leafward/shared/rpc/wire-decoder.js';
import { wireEncoderOf } from '@leafward/shared/rpc/wire-encoder.js';
import type { Random } from './random.js';
import type { Scheduler, SimProcess } from './scheduler.js';

export type Direction = 'up' | 'down';

/** One end of a stream, in whatever process holds it. */
export interface End {
  readonly process: SimProcess;
  receive(message: object): void;
  /** The stream is over; once. */
  ended(reason: string): void;
}

export interface Stream {
  send(from: Direction, message: object): void;
  /** This end closes it. */
  close(from: Direction, reason: string): void;
}

interface Half {
  readonly end: End;
  readonly queue: (() => void)[];
  open: boolean;
  lastArrival: number;
  /** Since when nothing of the other end could have come. */
  deafSince: number | undefined;
}

interface Open {
  readonly stream: Stream;
  readonly halves: Readonly<Record<Direction, Half>>;
  dead: boolean;
}

export interface Network {
  connect(agent: End, controller: End): Stream;
  block(from: string, to: string): void;
  unblock(from: string, to: string): void;
  isOpen(from: string, to: string): boolean;
  blocked(): readonly string[];
  healAll(): void;
  /** A process was killed: its host says so to the other ends. */
  processEnded(process: SimProcess): void;
  /** Power, stops and lines have changed. */
  changed(): void;
  /** An order of before reaches this host's agent again, or only now; false: none was sent, or nobody is there. */
  comesLate(host: string): boolean;
  readonly slowMs: { value: number };
}

/** rpc/options.ts: a ping each 2.5 s, its answer within 2 s. */
const KEEPALIVE_MS = [2000, 4500] as const;
const LATENCY_MS = [0.1, 3] as const;

const codecs = {
  up: {
    encode: wireEncoderOf(SessionRequestSchema),
    decode: wireDecoderOf(SessionRequestSchema) as (bytes: Buffer) => SessionRequest,
  },
  down: {
    encode: wireEncoderOf(SessionResponseSchema),
    decode: wireDecoderOf(SessionResponseSchema) as (bytes: Buffer) => SessionResponse,
  },
};

export interface NetworkOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly isPowered: (host: string) => boolean;
  readonly onBytes: (direction: Direction, bytes: Buffer) => void;
}

/** Of what was sent to a host. */
const ORDERS_KEPT = 40;
const ORDERS: ReadonlySet<string> = new Set(['intent', 'request']);

export function createNetwork(options: NetworkOptions): Network {
  const { scheduler, random } = options;
  const blocked = new Set<string>();
  const open = new Set<Open>();
  const orders = new Map<string, Buffer[]>();
  const slowMs = { value: 0 };
  const isOpen = (from: string, to: string): boolean =>
    !blocked.has(`${from}>${to}`) && options.isPowered(from) && options.isPowered(to);
  const other = (direction: Direction): Direction => (direction === 'up' ? 'down' : 'up');
  const latency = (): number =>
    random.between(...LATENCY_MS) + (slowMs.value > 0 ? random.between(0, slowMs.value) : 0);

  /** `from` names the end: up is the agent's, which sends upwards. */
  const isLineOpen = (link: Open, from: Direction): boolean =>
    isOpen(link.halves[from].end.process.host, link.halves[other(from)].end.process.host);

  const end = (link: Open, side: Direction, reason: string): void => {
    const half = link.halves[side];
    if (!half.open) return;
    half.open = false;
    scheduler.after(latency(), () => half.end.ended(reason), half.end.process);
    if (!link.halves[other(side)].open) open.delete(link);
  };
  /** Takes its turn behind what was sent before it. */
  const deliver = (link: Open, from: Direction, act: () => void): void => {
    const to = link.halves[other(from)];
    if (to.queue.length > 0 || !isLineOpen(link, from)) {
      to.queue.push(act);
      return;
    }
    const at = Math.max(to.lastArrival, scheduler.now + latency());
    to.lastArrival = at;
    scheduler.after(at - scheduler.now, act, to.end.process);
  };
  const flush = (link: Open): void => {
    for (const from of ['up', 'down'] as const) {
      if (!isLineOpen(link, from)) continue;
      const to = link.halves[other(from)];
      for (const act of to.queue.splice(0)) deliver(link, from, act);
    }
  };
  /** An end hears the other while both lines are open and the other one's process runs to answer its pings. */
  const watch = (link: Open): void => {
    const whole = isLineOpen(link, 'up') && isLineOpen(link, 'down');
    for (const side of ['up', 'down'] as const) {
      const half = link.halves[side];
      const peer = link.halves[other(side)].end.process;
      const hears = whole && !peer.stopped && !(link.dead && peer.died === 'power');
      if (hears) half.deafSince = undefined;
      else if (half.deafSince === undefined) {
        const since = scheduler.now;
        half.deafSince = since;
        const giveUp = (): void => {
          if (!half.open || half.deafSince !== since) return;
          end(link, side, 'keepalive: no answer');
          deliver(link, side, () => end(link, other(side), 'connection reset'));
        };
        scheduler.after(random.between(...KEEPALIVE_MS), giveUp, half.end.process);
      }
    }
  };
  const changed = (): void => {
    for (const link of open) {
      flush(link);
      watch(link);
    }
  };
  const keepOrder = (host: string, bytes: Buffer): void => {
    const kept = orders.get(host) ?? [];
    orders.set(host, kept);
    kept.push(bytes);
    if (kept.length > ORDERS_KEPT) kept.shift();
  };
  const newHalf = (of: End): Half => ({
    end: of,
    queue: [],
    open: true,
    lastArrival: 0,
    deafSince: undefined,
  });
  return {
    slowMs,
    isOpen,
    blocked: () => [...blocked],
    connect(agent, controller) {
      const halves = { up: newHalf(agent), down: newHalf(controller) };
      const stream: Stream = {
        send(from, message) {
          const half = halves[from];
          if (!half.open || !half.end.process.alive) return;
          const bytes = codecs[from].encode(message);
          options.onBytes(from, bytes);
          if (from === 'down' && ORDERS.has((message as SessionResponse).kind))
            keepOrder(agent.process.host, bytes);
          deliver(link, from, () => {
            const to = halves[other(from)];
            if (to.open) to.end.receive(codecs[from].decode(bytes));
          });
        },
        close(from, reason) {
          const half = halves[from];
          if (!half.open) return;
          half.open = false;
          deliver(link, from, () => end(link, other(from), reason));
          if (!halves[other(from)].open) open.delete(link);
        },
      };
      const link: Open = { stream, halves, dead: false };
      open.add(link);
      watch(link);
      return stream;
    },
    comesLate(host) {
      const bytes = orders.get(host);
      const link = [...open].find(({ halves: { up } }) => up.open && up.end.process.host === host);
      if (bytes === undefined || link === undefined) return false;
      const { end: to } = link.halves.up;
      const message = codecs.down.decode(random.pick(bytes));
      scheduler.after(latency(), () => to.receive(message), to.process);
      return true;
    },
    block(from, to) {
      blocked.add(`${from}>${to}`);
      changed();
    },
    unblock(from, to) {
      blocked.delete(`${from}>${to}`);
      changed();
    },
    healAll() {
      blocked.clear();
      slowMs.value = 0;
      changed();
    },
    processEnded(process) {
      for (const link of open)
        for (const side of ['up', 'down'] as const) {
          const half = link.halves[side];
          if (half.end.process !== process || !half.open) continue;
          half.open = false;
          link.dead = true;
          if (process.died !== 'power')
            deliver(link, side, () => end(link, other(side), 'connection reset'));
        }
      changed();
    },
    changed,
  };
}
