// The shape of `kinds:` in fleet.yaml: services described with commands. Strict, every key described for editors.
// What a command may say beside its shape is checked in complete-kind.ts.
import { z } from 'zod';
import { COMMANDS, type CommandName } from './abilities.js';
import { duration, name, size } from './schema-parts.js';

const MAX_PATTERN_LENGTH = 1000;

const word = z
  .string({ error: 'a word is text: quote it, as in "6379" and "{port.main}"' })
  .max(4096);
const run = z
  .array(word, {
    error: ({ input }) =>
      input === undefined ? undefined : 'a command is a list of words: [program, argument]',
  })
  .min(1, 'a command needs at least one word: the program')
  .max(256)
  .describe(
    'The program and its arguments: a list of words, never a line for a shell. Placeholders in braces are replaced in each word.',
  );
const where = z
  .enum(['member', 'host'], {
    error: 'a command runs where: member (in its container) or host (as the agent)',
  })
  .describe(
    'member: in its container, or as its user on the host. host: as the agent. Default member.',
  )
  .optional();
const maxOutput = size('How much of its output is read. Default 64KiB, at most 1MiB.');
const DEADLINE =
  'When it is killed. Default 5s for what looks, 1m for what acts, 12h for backup, restore and seed.';
export const patternText = (what: string) =>
  z.string().min(1).max(MAX_PATTERN_LENGTH).describe(what);

export const stepSchema = z.strictObject({
  run,
  where,
  deadline: duration(DEADLINE),
  maxOutput,
});

export const commandSchema = z
  .strictObject({
    run: run.optional(),
    steps: z
      .array(stepSchema)
      .min(1, 'steps are one or more commands')
      .max(16)
      .describe(
        'Several commands instead of `run`, in order, up to the first failure; the last one answers.',
      )
      .optional(),
    of: z
      .string()
      .describe('Instead of `run`: another command, whose answer of the same look is read again.')
      .optional(),
    where,
    deadline: duration(DEADLINE),
    maxOutput,
    result: z
      .enum(['plain', 'json', 'exit-code'], {
        error: 'a result is plain, json or exit-code',
      })
      .describe(
        'What answers: its output trimmed, its output as JSON, or its exit code (0 is true). Default plain; with `of` that of the other command.',
      )
      .optional(),
    field: z
      .string()
      .min(1)
      .max(256)
      .describe('Of a json result: the keys that lead to the value, with dots between them.')
      .optional(),
    match: patternText(
      'Of a plain result: a regular expression, line by line; its first group is the value.',
    ).optional(),
    words: z
      .record(
        z.string().max(256),
        z.union([z.string().max(256), z.boolean()], {
          error: 'a word is translated into a word, true or false',
        }),
      )
      .describe(
        'What the program says, and the word that Leafward reads instead: { master: leader }.',
      )
      .optional(),
  })
  // Once in the JSON Schema, not once for each command.
  .meta({ id: 'command' });

/** What each answers or does; docs/engines/exec.md says it at length. */
const DESCRIPTIONS: Readonly<Record<CommandName, string>> = {
  status: 'A shared source: others read its answer with `of: status`.',
  identity: 'Answers what makes this service this one: equal on all members, different elsewhere.',
  role: 'Answers leader or mirror.',
  upstream: 'Answers the URL that it mirrors from; empty: none.',
  linked: 'Answers whether a mirror hears its upstream.',
  position: 'Answers how far its log goes.',
  ready: 'Answers whether it takes requests.',
  writable: 'Answers whether a leader takes writes.',
  version: 'Answers the version of the program.',
  dataSize: 'Answers the size of its data in bytes.',
  answers:
    'Answers whether the leader at {upstreamUrl} says anything; run on the host of another member.',
  history: 'Answers text on its history up to {position}: equal on members of one history.',
  storedUpstream:
    'Answers the URL that the storage would mirror from when started; empty: it would lead.',
  storedPosition: 'Answers how far the log of a stopped member goes.',
  setUpstream: 'Makes the storage of a stopped member a mirror of {upstreamUrl}.',
  clearUpstream: 'Makes the storage of a stopped member a leader’s.',
  backup: 'Takes a backup of the running member into {directory}.',
  restore: 'Fills the empty storage of a stopped member from {backup}.',
  seed: 'Fills the empty storage of a stopped member from {upstreamUrl} and leaves it a mirror.',
  promote: 'Hands leadership over from the living leader to this mirror without a loss.',
  forcePromote: 'Makes this mirror lead, whatever became of the old leader.',
  repoint: 'Points the running mirror at {upstreamUrl}, durably.',
  fence: 'Makes the running leader take no more writes until it is restarted.',
  stop: 'Asks the running member to stop before its runtime stops it.',
  coldBackup: 'Takes a backup of the stopped member into {directory}.',
  optimize: 'Makes the databases of the stopped member compact.',
};

const commandsShape = Object.fromEntries(
  COMMANDS.map((command) => [command, commandSchema.optional().describe(DESCRIPTIONS[command])]),
) as Record<CommandName, z.ZodOptional<typeof commandSchema>>;

export const kindSchema = z.strictObject({
  positions: z
    .enum(['number', 'lsn'], { error: 'positions are number or lsn (X/Y, hexadecimal)' })
    .describe('How positions are written. Default number.')
    .optional(),
  lag: z
    .number({ error: 'a lag is a whole number, in what positions count' })
    .int('a lag is a whole number, in what positions count')
    .min(0, 'a lag is at least 0')
    .max(Number.MAX_SAFE_INTEGER)
    .describe(
      'How far a mirror may be behind and still count as caught up, in what positions count. Default 16777216 (bytes) for lsn, 1000 for number.',
    )
    .optional(),
  migration: z
    .strictObject({
      running: patternText('Regular expression of a log line that says that a migration runs.'),
      done: patternText('Regular expression of a log line that says that it is over.'),
    })
    .describe('How its log tells of a migration: it is never killed while one runs.')
    .optional(),
  commands: z
    .strictObject(commandsShape)
    .describe('What Leafward runs. A missing one takes the abilities that need it away.'),
});

export const kindsSchema = z
  .record(name('a kind’s name'), kindSchema)
  .describe('Kinds of services that are described with commands, by name (docs/engines/exec.md).');

export type CommandText = z.infer<typeof commandSchema>;
export type KindText = z.infer<typeof kindSchema>;
