// What a manifest writes as an environment, in two parts. Pure.
import type { z } from 'zod';
import type { environmentSchema } from './environment-schema.js';

/** Values as text, and the names of secrets: what a secret says is never looked into for templates. */
export function splitEnvironment(environment: z.infer<typeof environmentSchema>) {
  const plain: (readonly [string, string])[] = [];
  const secret: (readonly [string, string])[] = [];
  for (const [key, value] of Object.entries(environment))
    if (typeof value === 'object') secret.push([key, value.secret]);
    else plain.push([key, String(value)]);
  return { plain, secret };
}
