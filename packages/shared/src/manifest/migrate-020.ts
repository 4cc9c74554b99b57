// How a service comes from Synapse 0.1.x: its shape in the manifest, and what is meant by it. The tools are the
// operator's words; only the wrong ones are refused here. Pure.
import { z } from 'zod';
import { absolutePath, duration } from './schema-parts.js';
import type { Migrate020 } from './types.js';
import { parseDuration } from './units.js';

const DAY_MS = 86_400_000;
/** What the devops guide says of nodes that were not migrated. */
const USUAL_ERRORS =
  'Unable to determine stortype|Buid/norming exception|does not match inbound|NoSuchForm';
const USUAL_CHECKPOINTS = 'migration';

const word = z.string().max(4096);
const command = (description: string) =>
  z
    .array(word, { error: 'a command is a list of words: [program, argument]' })
    .min(1, 'a command needs at least one word: the program')
    .max(256)
    .describe(description);
const image = z
  .string()
  .min(1)
  .max(1024)
  .describe('Image that has the tool. Default: the service’s own.')
  .optional();
const pattern = (description: string) =>
  z
    .string()
    .min(1)
    .max(1000)
    .refine(isPattern, 'must be a regular expression')
    .describe(description);

function isPattern(text: string): boolean {
  try {
    new RegExp(text);
    return true;
  } catch {
    return false;
  }
}

export const migrate020Schema = z
  .strictObject({
    source: absolutePath.describe(
      'Backup of the 0.1.x Cortex, a directory of the leader’s host; only read.',
    ),
    image,
    command: command(
      'The tool: a list of words, never a line for a shell. {source}, {storage}, {member}, {service} and {url} are replaced, {image} as in `command`.',
    ),
    resume: z
      .array(word)
      .max(64)
      .describe('Words added to it when there is a checkpoint: [--from-last]. Default none.')
      .optional(),
    checkpoints: z
      .string()
      .min(1)
      .max(1024)
      .regex(/^[^/]/, 'a path in the storage does not begin with "/"')
      .refine((path) => !path.split('/').includes('..'), 'a path has no ".."')
      .describe('Directory in the storage where its checkpoints lie. Default migration.')
      .optional(),
    errors: pattern(
      'Lines of its output that tell of something that was not migrated, as a regular expression. Default: those of the devops guide.',
    ).optional(),
    timeout: duration('When it is ended, to go on from its checkpoint. Default 3d.'),
    sync: z
      .strictObject({
        image: image.describe('process: the tool’s file. A container’s tool is in its own image.'),
        command: command(
          'The tool, which runs beside the new leader. {storage}, {member}, {service} and {url} are replaced.',
        ),
        caughtUp: pattern(
          'The line of its output that says that it has caught up, as a regular expression.',
        ),
        timeout: duration('When it is ended. Default 12h.'),
      })
      .describe('Brings over what the source got after the backup, until nothing is missing.')
      .optional(),
  })
  .describe('synapse: how it comes from 0.1.x, by leafward plan migrate-020. One member only.');

export function completeMigrate020(text: z.infer<typeof migrate020Schema>): Migrate020 {
  const { sync } = text;
  return {
    migration: {
      source: text.source,
      ...(text.image === undefined ? {} : { image: text.image }),
      command: text.command,
      resume: text.resume ?? [],
      checkpoints: text.checkpoints ?? USUAL_CHECKPOINTS,
      errors: text.errors ?? USUAL_ERRORS,
      timeoutMs: msOf(text.timeout, 3 * DAY_MS),
    },
    ...(sync === undefined
      ? {}
      : {
          sync: {
            command: sync.command,
            caughtUp: sync.caughtUp,
            timeoutMs: msOf(sync.timeout, DAY_MS / 2),
            ...(sync.image === undefined ? {} : { image: sync.image }),
          },
        }),
  };
}

const msOf = (text: string | undefined, fallback: number): number =>
  text === undefined ? fallback : (parseDuration(text) ?? fallback);
