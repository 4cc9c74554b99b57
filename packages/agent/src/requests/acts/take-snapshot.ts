// Not done by this agent yet.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Result } from '../../requests.js';
import type { Kind, Turn } from './parts.js';

export function takeSnapshot({ member }: Kind<'take-snapshot'>, _: Turn): Promise<Result> {
  return Promise.reject(new LeafwardError('refused', `take-snapshot ${member}: not known to this agent yet`));
}
