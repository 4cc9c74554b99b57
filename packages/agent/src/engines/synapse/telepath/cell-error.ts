// What a cell answered instead of a value.
import { LeafwardError, type ErrorCode } from '@leafward/shared/errors.js';
import { listOf, mapOf, stringOf, type Value } from './value.js';

/** Errnames whose meaning is one of ours; any other is `failed`. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  NoSuchName: 'not-found',
  NoSuchPath: 'not-found',
  BackupAlreadyRunning: 'already-exists',
  AuthDeny: 'denied',
  NoSuchUser: 'unauthenticated',
  LowSpace: 'exhausted',
  NotReady: 'unavailable',
};

export class CellError extends LeafwardError {
  /** The cell's own name of the error, `BadConfValu` for one. */
  readonly errname: string;

  constructor(tried: string, errname: string, mesg: string | undefined) {
    const said = mesg === undefined ? errname : `${errname}: ${mesg}`;
    super(CODES[errname] ?? 'failed', `${tried}: the cell answered ${said}`);
    this.errname = errname;
  }
}

/** The value of a `retn`, `[true, value]` or `[false, [errname, {mesg?}]]`. Throws CellError. */
export function valueOfReturn(retn: Value | undefined, tried: string): Value {
  const [ok, value] = listOf(retn);
  if (ok === true) return value ?? null;
  const [errname, info] = listOf(value);
  throw new CellError(tried, stringOf(errname) ?? 'UnknownError', stringOf(mapOf(info)['mesg']));
}
