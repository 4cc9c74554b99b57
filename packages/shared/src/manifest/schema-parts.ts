// Small shapes that several sections of fleet.yaml are made of. Each says in words what is wrong.
import { z } from 'zod';
import { NAME_PATTERN } from './name-pattern.js';
import { DURATION_PATTERN, SIZE_PATTERN } from './units.js';

export const name = (what: string) =>
  z
    .string()
    .regex(
      NAME_PATTERN,
      `${what} is made of lower-case letters, digits, "-" and ".", starts and ends with a letter or digit and has at most 63 characters`,
    )
    // It would be found in every record of names.
    .refine((text) => text !== 'constructor', `${what} cannot be this word`);

export const duration = (description: string) =>
  z
    .string({ error: 'a duration is text such as "24h", "5m", "90s" or "500ms"' })
    .regex(DURATION_PATTERN, 'a duration is a whole number and ms, s, m, h or d: "24h", "5m"')
    .describe(description)
    .optional();

export const size = (description: string) =>
  z
    .string({ error: 'a size is text such as "512MiB"' })
    .regex(SIZE_PATTERN, 'a size is a number and B, KiB, MiB, GiB or TiB: "512MiB"')
    .describe(description)
    .optional();

export const absolutePath = z
  .string()
  .startsWith('/', 'a path is absolute: it starts with "/"')
  .max(4096)
  .refine((path) => !path.split('/').includes('..'), 'a path has no ".."');
