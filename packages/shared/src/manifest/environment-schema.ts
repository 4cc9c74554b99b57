// Environment variables as fleet.yaml writes them: plain values, or names of secrets.
import { z } from 'zod';
import { name } from './schema-parts.js';

export const environmentSchema = z
  .record(
    z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'not a name of an environment variable'),
    z.union(
      [
        z.string().max(65_536),
        z.number(),
        z.boolean(),
        z.strictObject({
          secret: name('a secret’s name').describe('Name of a secret: leafward secret set NAME.'),
        }),
      ],
      { error: 'a value is text, a number, true, false, or { secret: NAME }' },
    ),
  )
  .describe(
    'Environment variables. Templates are filled in; { secret: NAME } stands for a secret of the controller. A member’s win over its service’s.',
  );
