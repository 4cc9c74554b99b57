// Has agents say what image references mean. A reference is resolved once for a plan; every host then gets the
// same digest.
import { randomUUID } from 'node:crypto';
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Outcome, Request, Runtime } from '@leafward/shared/gen/domain.js';
import type { Images } from './changes.js';
import type { Fleet } from './fleet.js';

export interface ImageNeeded {
  readonly runtime: Runtime;
  readonly reference: string;
  /** A host whose runtime is asked. */
  readonly host: string;
}

const ANSWER_MS = 20_000; // a registry that does not answer within this is said, not waited for
const POLL_MS = 50;
/** Codes of an agent that an operator can do something about with another command: told as they are. */
const OPERATORS_OWN = ['invalid', 'refused', 'already-exists', 'exhausted'] as const;

/** @throws LeafwardError when a host is not connected, the runtime refuses, or no answer comes in time. */
export async function resolveImages(
  fleet: Fleet,
  clock: Clock,
  needed: readonly ImageNeeded[],
): Promise<Images> {
  const resolved = await Promise.all(
    needed.map(async (need) => {
      const outcome = await askHost(fleet, clock, {
        host: need.host,
        what: `resolve image ${need.reference} on host ${need.host}`,
        timeoutMs: ANSWER_MS,
        act: { kind: 'resolve-image', runtime: need.runtime, reference: need.reference },
      });
      if (outcome.image === undefined)
        throw new LeafwardError(
          'failed',
          `resolve image ${need.reference} on host ${need.host}: no image in the answer`,
        );
      return [need.reference, outcome.image] as const;
    }),
  );
  return Object.fromEntries(resolved);
}

export type HostAct =
  Extract<
    Request,
    {
      kind:
        | 'resolve-image'
        | 'tune-host'
        | 'check-host'
        | 'test-engine'
        | 'verify-backup'
        | 'drill-backup'
        | 'copy-backup'
        | 'fetch-backup'
        | 'check-copies'
        | 'list-copies'
        | 'send-backup'
        | 'receive-backup'
        | 'act-on-cell'
        | 'install-https'
        | 'prune-backups'
        | 'look-at-container'
        | 'prune-copies';
    }
  > extends infer R
    ? R extends unknown
      ? Omit<R, 'id' | 'epoch' | 'expiresAt' | 'member' | 'term' | 'secret' | 'secretFrom'>
      : never
    : never;

export interface HostQuestion {
  readonly host: string;
  /** For errors: what is tried, on what. */
  readonly what: string;
  readonly timeoutMs: number;
  /** Whom it is about, in which term of its service. Undefined: the host itself. */
  readonly about?: { readonly member: string; readonly term: number } | undefined;
  readonly act: HostAct;
  /** For its host's eyes only; on no disk of either side. */
  readonly secret?: string | undefined;
}

/** Sends one act to a host and waits for its outcome, with its secret. @throws LeafwardError with what came back. */
export async function askHost(
  fleet: Fleet,
  clock: Clock,
  question: HostQuestion,
): Promise<Outcome> {
  const { what, timeoutMs } = question;
  const id = await beginAsking(fleet, question);
  const outcome = await outcomeWithin(fleet, clock, { id, timeoutMs });
  if (outcome !== undefined && outcome.state !== 'running')
    return { ...succeeded(outcome, what), secret: fleet.words.take(id) };
  throw new LeafwardError(
    'timeout',
    `${what}: no answer within ${timeoutMs / 1000} s${outcome?.progress ? `; last word: ${outcome.progress}` : ''}`,
    { retry: 'later' },
  );
}

/** Sends one act to a host; returns its request's id. @throws LeafwardError `unavailable` */
export async function beginAsking(fleet: Fleet, question: HostQuestion): Promise<string> {
  const { host, what, about = { member: '', term: 0 } } = question;
  if (fleet.host(host).session === undefined)
    throw new LeafwardError(
      'unavailable',
      `${what}: its agent is not connected; look at it with: leafward why ${host}`,
      { retry: 'later' },
    );
  const id = `ask-${randomUUID()}`;
  await fleet.transact((snapshot) => ({
    value: undefined,
    changes: [
      {
        kind: 'request',
        state: {
          host,
          createdAt: snapshot.now,
          request: {
            ...question.act,
            id,
            epoch: snapshot.epoch,
            expiresAt: snapshot.now + question.timeoutMs,
            ...about,
            secret: question.secret,
          },
        },
      },
    ],
  }));
  return id;
}

/** The outcome as soon as it has ended, or what there is of it after that time. */
export async function outcomeWithin(
  fleet: Fleet,
  clock: Clock,
  { id, timeoutMs }: { readonly id: string; readonly timeoutMs: number },
): Promise<Outcome | undefined> {
  const deadline = clock.monotonic() + timeoutMs;
  for (;;) {
    const outcome = fleet.outcome(id);
    const isOver = outcome !== undefined && outcome.state !== 'running';
    if (isOver || clock.monotonic() > deadline) return outcome;
    await clock.sleep(POLL_MS);
  }
}

function succeeded(outcome: Outcome, what: string): Outcome {
  if (outcome.state === 'succeeded') return outcome;
  const { code, message = outcome.state } = outcome;
  const own = OPERATORS_OWN.find((one) => one === code) ?? 'failed';
  const said = message.replace(`[${own}] `, '');
  throw new LeafwardError(outcome.state === 'refused' ? 'refused' : own, `${what}: ${said}`);
}
