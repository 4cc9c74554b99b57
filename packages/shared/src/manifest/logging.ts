// What a manifest says of a Synapse service's logs, and the environment that it means (devops guide, "Configure
// Logging"). Pure; what cannot be meant is told as a problem.
import { z } from 'zod';
import type { Path } from './locate.js';

const LEVEL = 'SYN_LOG_LEVEL';
const STRUCTURED = 'SYN_LOG_STRUCT';

export const loggingSchema = z
  .strictObject({
    level: z
      .enum(['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'])
      .describe('SYN_LOG_LEVEL: what is less grave is not written. Default: the image’s own.')
      .optional(),
    structured: z
      .boolean()
      .describe('SYN_LOG_STRUCT: a JSON object a line. Default: the image’s own, which is plain.')
      .optional(),
  })
  .describe('synapse: what a member writes into its log. A member’s win over its service’s.');

export type LoggingText = z.infer<typeof loggingSchema>;

interface Logged {
  readonly logging?: LoggingText | undefined;
  readonly environment?: Readonly<Record<string, unknown>> | undefined;
}

/** The variables of a member; `at` is where its service stands. */
export function loggingEnvironment(
  kind: string,
  { service, own }: { readonly service: Logged; readonly own: Logged },
  at: { readonly service: Path; readonly own: Path },
  tell: (path: Path, message: string) => void,
): Readonly<Record<string, string>> {
  const path = [...(own.logging === undefined ? at.service : at.own), 'logging'];
  const { level, structured } = { ...service.logging, ...own.logging };
  if (level === undefined && structured === undefined) return {};
  if (kind !== 'synapse')
    tell(path, `only services of kind synapse have \`logging\`, and this one is of kind ${kind}`);
  const twice = [
    ...(level === undefined ? [] : [LEVEL]),
    ...(structured === undefined ? [] : [STRUCTURED]),
  ].filter((name) => name in { ...service.environment, ...own.environment });
  if (twice.length > 0)
    tell(path, `${twice.join(' and ')} in \`environment\` says it already: take one of them out`);
  return {
    ...(level === undefined ? {} : { [LEVEL]: level }),
    ...(structured === undefined ? {} : { [STRUCTURED]: String(structured) }),
  };
}
