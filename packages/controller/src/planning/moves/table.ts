// The table: one row a kind of move. A kind without a row does not compile.
import type { Move } from '@leafward/shared/gen/domain.js';
import { backUp } from './back-up.js';
import { choose } from './choose.js';
import { coldBackUp, optimize } from './offline.js';
import { fence } from './fence.js';
import { forcePromote } from './force-promote.js';
import { halt } from './halt.js';
import { handOver } from './hand-over.js';
import { migrate } from './migrate.js';
import type { MoveContext, MoveOf, MoveRow, Step } from './move.js';
import { place } from './place.js';
import { pull } from './pull.js';
import { realias } from './realias.js';
import { recreate } from './recreate.js';
import { remove } from './remove.js';
import { repoint } from './repoint.js';
import { reseed } from './reseed.js';
import { restore } from './restore.js';
import { send } from './send.js';
import { snapshot } from './snapshot.js';
import { sync } from './sync.js';
import { trim } from './trim.js';

type Rows = { readonly [K in Move['kind']]: MoveRow<MoveOf<K>> };

export const rows: Rows = {
  pull,
  place,
  recreate,
  remove,
  'hand-over': handOver,
  fence,
  choose,
  'force-promote': forcePromote,
  repoint,
  'back-up': backUp,
  halt,
  reseed,
  restore,
  send,
  trim,
  optimize,
  'cold-back-up': coldBackUp,
  snapshot,
  realias,
  migrate,
  sync,
};

export const begin = (context: MoveContext): Step => rowOf(context).begin(context);
export const check = (context: MoveContext): Step => rowOf(context).check(context);

/** The compiler cannot pair a union's member with its own row; the key guarantees it. */
const rowOf = (context: MoveContext): MoveRow => rows[context.move.kind];
