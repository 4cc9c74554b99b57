// reseed
import type { MoveOf, MoveRow } from './move.js';

export const reseed: MoveRow<MoveOf<'reseed'>> = {
  begin: () => ({ kind: 'failed', reason: 'this controller cannot do it yet' }),
  check: () => ({ kind: 'failed', reason: 'this controller cannot do it yet' }),
};
