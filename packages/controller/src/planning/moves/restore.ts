// restore
import type { MoveOf, MoveRow } from './move.js';

export const restore: MoveRow<MoveOf<'restore'>> = {
  begin: () => ({ kind: 'failed', reason: 'this controller cannot do it yet' }),
  check: () => ({ kind: 'failed', reason: 'this controller cannot do it yet' }),
};
