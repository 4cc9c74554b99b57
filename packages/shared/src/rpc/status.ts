// LeafwardError ⇄ gRPC status. The code, the text and the detail lines survive the trip; nothing else does.
import { Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { LeafwardError, messageOf, type ErrorCode, type Retry } from '../errors.js';

const statusOf: Readonly<Record<ErrorCode, status>> = {
  invalid: status.INVALID_ARGUMENT,
  'not-found': status.NOT_FOUND,
  'already-exists': status.ALREADY_EXISTS,
  denied: status.PERMISSION_DENIED,
  unauthenticated: status.UNAUTHENTICATED,
  refused: status.FAILED_PRECONDITION,
  stale: status.FAILED_PRECONDITION,
  unavailable: status.UNAVAILABLE,
  timeout: status.DEADLINE_EXCEEDED,
  aborted: status.CANCELLED,
  exhausted: status.RESOURCE_EXHAUSTED,
  failed: status.INTERNAL,
};
const codeOf = new Map<status, ErrorCode>(
  (Object.entries(statusOf) as [ErrorCode, status][]).reverse().map(([code, s]) => [s, code]),
);

const DETAIL_KEY = 'leafward-error-bin'; // -bin: any text survives
const MAX_DETAIL_LINES = 200;

/** What a handler's error becomes on the wire. A bug's text stays inside (I14). */
export function statusFromError(error: unknown): ServiceError {
  const known = error instanceof LeafwardError;
  const metadata = new Metadata();
  if (known) {
    const body = {
      code: error.code,
      text: error.text,
      retry: error.retry,
      detail: error.detail.slice(0, MAX_DETAIL_LINES),
    };
    metadata.set(DETAIL_KEY, Buffer.from(JSON.stringify(body)));
  }
  const text = known ? error.text : 'the controller made a mistake; its log says more';
  return Object.assign(new Error(text), {
    code: known ? statusOf[error.code] : status.INTERNAL,
    details: text,
    metadata,
  });
}

/** The error of a failed call. `what` says which call to whom. */
export function errorFromStatus(error: ServiceError | undefined, what: string): LeafwardError {
  if (error === undefined) return new LeafwardError('failed', `${what}: no answer and no error`);
  const sent = error.metadata?.get(DETAIL_KEY)[0];
  if (Buffer.isBuffer(sent)) {
    const body = parseBody(sent);
    if (body !== undefined)
      return new LeafwardError(body.code, body.text, { ...body, cause: error });
  }
  const code = codeOf.get(error.code) ?? 'failed';
  const retry: Retry = code === 'unavailable' || code === 'timeout' ? 'later' : 'never';
  return new LeafwardError(code, `${what}: ${plainText(error.details || messageOf(error))}`, {
    retry,
    cause: error,
  });
}

/** What grpc-js puts around the one thing that matters: "connect ECONNREFUSED 127.0.0.1:7443". */
function plainText(details: string): string {
  return details
    .replace(/^No connection established\. Last error: (?:Error: )?/, '')
    .replace(/ ?Resolution note: *$/, '')
    .replace(/\.$/, '');
}

function parseBody(
  bytes: Buffer,
): { code: ErrorCode; text: string; retry: Retry; detail: string[] } | undefined {
  try {
    const body = JSON.parse(bytes.toString('utf8')) as Record<string, unknown>;
    if (typeof body['code'] !== 'string' || !(body['code'] in statusOf)) return undefined;
    return {
      code: body['code'] as ErrorCode,
      text: String(body['text']),
      retry: body['retry'] as Retry,
      detail: Array.isArray(body['detail']) ? body['detail'].map(String) : [],
    };
  } catch {
    return undefined;
  }
}
