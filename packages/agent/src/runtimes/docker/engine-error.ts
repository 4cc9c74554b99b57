// What an Engine's answer means in Leafward's closed set of codes. Must never repeat what it was asked with:
// a request's body holds a member's environment (I14).
import { LeafwardError, messageOf, type ErrorCode, type Retry } from '@leafward/shared/errors.js';

/** An Engine's message can carry a whole Dockerfile's worth of text; a screen line does not. */
const MAX_TEXT = 600;

interface Meaning {
  readonly code: ErrorCode;
  readonly retry: Retry;
  readonly advice: string;
}

/** First match wins; the texts are those of Engine 20.10 to 28, of runc and of registries. */
const meanings: readonly (readonly [RegExp, Meaning])[] = [
  [
    /no space left on device|disk quota exceeded/i,
    {
      code: 'exhausted',
      retry: 'later',
      advice: "free space on the Engine's data root (docker system df) and try again",
    },
  ],
  [
    /cannot allocate memory|too many open files|pids limit/i,
    { code: 'exhausted', retry: 'later', advice: 'the host is out of a resource; see its journal' },
  ],
  [
    /executable file not found|exec: "[^"]*": (?:stat [^:]*: )?no such file or directory/i,
    { code: 'not-found', retry: 'never', advice: 'the image has no such program' },
  ],
  [
    /bind source path does not exist|error mounting .*no such file or directory/i,
    { code: 'not-found', retry: 'never', advice: 'make the directory on the host, with its owner' },
  ],
  [
    /unauthorized|authentication required|access to the resource is denied|no basic auth/i,
    {
      code: 'denied',
      retry: 'never',
      advice:
        'the registry wants a login; Leafward sends none: use a mirror that the hosts may read',
    },
  ],
  [
    /manifest unknown|manifest for .* not found|repository .* not found|name unknown|no such image|does not exist/i,
    { code: 'not-found', retry: 'never', advice: 'check the reference and that it was pushed' },
  ],
  [
    /i\/o timeout|TLS handshake timeout|request canceled|context deadline exceeded|no route to host|connection refused|no such host|network is unreachable|connection reset|server misbehaving/i,
    {
      code: 'unavailable',
      retry: 'later',
      advice: 'the Engine does not reach the other side; check the registry and the network',
    },
  ],
  [
    /is already in use by container|Conflict\. The container name/i,
    { code: 'already-exists', retry: 'never', advice: 'remove the container of this name first' },
  ],
];

const byStatus: Readonly<Record<number, Meaning>> = {
  400: { code: 'invalid', retry: 'never', advice: 'the Engine refuses it as written' },
  403: { code: 'denied', retry: 'never', advice: 'the Engine does not allow it' },
  404: { code: 'not-found', retry: 'never', advice: 'look at docker ps -a and docker images' },
  409: { code: 'failed', retry: 'later', advice: "the container's state does not allow it now" },
  503: { code: 'unavailable', retry: 'later', advice: 'the Engine is not ready yet' },
};

const unanswered: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket: is Docker installed and running (systemctl start docker)?',
  ECONNREFUSED: 'nothing listens there: start Docker (systemctl start docker)',
  EACCES: 'this user may not open it: run the agent as root or in the group docker',
  ECONNRESET: 'the Engine hung up; it may be restarting',
  EPIPE: 'the Engine hung up; it may be restarting',
};

interface EngineFailure {
  readonly code?: unknown;
  readonly statusCode?: unknown;
  readonly json?: unknown;
}

/**
 * The error of one call. `doing` says what was tried on what ("start container leafward-00.cortex").
 */
export function engineError(doing: string, socketPath: string, error: unknown): LeafwardError {
  if (error instanceof LeafwardError) return error;
  const failure = (typeof error === 'object' && error !== null ? error : {}) as EngineFailure;
  if (typeof failure.statusCode === 'number')
    return refusalOf(doing, textOf(failure, error), failure.statusCode, error);
  const advice = unanswered[String(failure.code)] ?? 'see the journal of docker.service';
  const code = typeof failure.code === 'string' ? failure.code : bounded(messageOf(error));
  return new LeafwardError(
    'unavailable',
    `${doing}: the Docker Engine at ${socketPath} does not answer (${code}); ${advice}`,
    { retry: 'later', cause: error },
  );
}

/** The error of a message that came inside a stream that began well, as a pull's does. */
export function streamError(doing: string, text: string): LeafwardError {
  return refusalOf(doing, text, 500, undefined);
}

function refusalOf(doing: string, text: string, status: number, cause: unknown): LeafwardError {
  const meaning = meanings.find(([pattern]) => pattern.test(text))?.[1] ??
    byStatus[status] ?? { code: 'failed', retry: 'later', advice: 'see docker.service' };
  return new LeafwardError(meaning.code, `${doing}: ${bounded(text)}; ${meaning.advice}`, {
    retry: meaning.retry,
    cause,
  });
}

function textOf(failure: EngineFailure, error: unknown): string {
  const json = failure.json;
  if (typeof json === 'object' && json !== null && 'message' in json) return String(json.message);
  return messageOf(error);
}

/** One line, without terminal control and without a password in a URL. */
function bounded(text: string): string {
  const line = text
    .replace(/\/\/[^/\s@]*:[^/\s@]*@/g, '//[secret]@')
    .replace(/[\u0000-\u001f\u007f]+/g, ' ')
    .trim();
  return line.length > MAX_TEXT ? `${line.slice(0, MAX_TEXT)}…` : line;
}
