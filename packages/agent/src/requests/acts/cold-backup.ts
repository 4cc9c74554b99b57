// Not done by this agent yet.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Result } from '../../requests.js';
import type { Kind, Turn } from './parts.js';

export function coldBackup({ member }: Kind<'cold-backup'>, _: Turn): Promise<Result> {
  return Promise.reject(new LeafwardError('refused', `cold-backup ${member}: not known to this agent yet`));
}
