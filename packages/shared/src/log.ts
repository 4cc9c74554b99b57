// Structured logs on stderr through pino, one line a fact, secrets redacted by key.
import { pino, type Logger } from 'pino';

export type { Logger } from 'pino';

/** Keys whose values never reach a log, at any depth up to two (I14). */
const SECRET_KEYS = [
  'token',
  'url',
  'password',
  'privateKey',
  'keyPem',
  'environment',
  'plaintext',
];

/** A logger that writes JSON lines to stderr. `level` is one of pino's. */
export function createLogger(name: string, level = 'info'): Logger {
  return pino(
    {
      name,
      level,
      base: { name },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]),
        censor: '[secret]',
      },
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ dest: 2, sync: true }),
  );
}
