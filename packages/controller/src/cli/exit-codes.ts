// What the program's end says to a script. The help text and the numbers live together.
import type { Operation } from '@leafward/shared/gen/domain.js';
import { verdictOf } from './render/operation.js';

export const EXIT = { done: 0, failed: 1, usage: 2, refused: 3, waiting: 4 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_CODES_TEXT = `Exit codes
  0  done. Also: a read that was answered, whatever it says; a plan that can be applied
     or has nothing to do; a pause, resume or abort that was accepted.
  1  failed. The controller does not answer, a call failed, an operation was aborted or is
     paused because a move failed, 'host check --strict' found something critical.
  2  bad usage or configuration: an unknown option, a malformed URL or duration, an invalid
     manifest (every problem is printed with its path). Nothing was changed.
  3  refused, with reasons: a plan with refusals, a plan that is stale, an order that your
     role does not allow, a question answered with no. Nothing was changed.
  4  still waiting: --timeout ran out, or Ctrl-C ended the watching, while the operation runs
     on; or the operation was paused by an operator.`;

/** Exit code by how an operation stands when its watching ends. */
export function exitCodeOfOperation(operation: Operation): ExitCode {
  switch (verdictOf(operation)) {
    case 'done':
      return EXIT.done;
    case 'aborted':
    case 'paused-by-failure':
      return EXIT.failed;
    default:
      return EXIT.waiting;
  }
}
