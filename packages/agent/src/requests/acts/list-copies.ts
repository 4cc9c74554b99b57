// list-copies: not known to this agent yet.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Result } from '../../requests.js';
import type { Kind, Turn } from './parts.js';

/** @throws LeafwardError */
export function listCopies(request: Kind<'list-copies'>, _turn: Turn): Promise<Result> {
  return Promise.reject(
    new LeafwardError('unavailable', `${request.kind}: this agent is too old for it`),
  );
}
