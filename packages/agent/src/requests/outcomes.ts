// Outcomes and refusals of requests, as values: what a controller is told of one. Pure. An outcome that is not known is
// `unknown`, never guessed (I12).
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { HostIntent, Outcome, Request } from '@leafward/shared/gen/domain.js';

export function refusalByOrder(
  request: Request,
  intent: HostIntent | undefined,
  terms: Readonly<Record<string, number>>,
): LeafwardError | undefined {
  if (intent !== undefined && request.epoch < intent.epoch)
    return refusal(
      'stale',
      request,
      `its epoch ${request.epoch} is older than ${intent.epoch} (I11)`,
    );
  if (request.member === '') return undefined;
  const member = intent?.members.find((one) => one.member === request.member);
  if (member === undefined)
    return refusal('refused', request, `${request.member} is no member of this host`);
  const term = terms[member.service] ?? 0;
  if (request.term < term)
    return refusal(
      'stale',
      request,
      `its term ${request.term} is older than ${term} of ${member.service} (I11)`,
    );
  return undefined;
}

export function refusal(
  code: 'stale' | 'refused' | 'exhausted',
  request: Request,
  reason: string,
): LeafwardError {
  return new LeafwardError(code, `${request.kind} ${request.id}: not begun: ${reason}`);
}

export function outcomeOf(
  request: Request,
  end: {
    readonly startedAt: number;
    readonly state: Outcome['state'];
    readonly now: number;
  },
  error?: unknown,
): Outcome {
  return {
    requestId: request.id,
    state: end.state,
    startedAt: end.startedAt,
    finishedAt: end.now,
    ...(error === undefined
      ? {}
      : {
          code: error instanceof LeafwardError ? error.code : 'failed',
          message: messageOf(error),
        }),
    changes: [],
  };
}

/** I12: never guessed. */
export function lostOutcome(id: string, request: Request, startedAt: number, now: number): Outcome {
  if (request.kind === 'restore-backup')
    return outcomeOf(
      request,
      { startedAt, state: 'failed', now },
      new LeafwardError(
        'aborted',
        `restore ${request.member}: the agent ended before it had begun`,
      ),
    );
  return {
    requestId: id,
    state: 'unknown',
    startedAt,
    finishedAt: now,
    code: 'aborted',
    message:
      `the agent ended in the middle of ${request.kind}` +
      `${request.member === '' ? '' : ` of ${request.member}`}: whether it was done is not known; ` +
      'look at what the service says of itself',
    changes: [],
  };
}
