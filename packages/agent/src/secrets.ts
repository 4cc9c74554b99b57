// The values of the secrets that this host's order names: <state>/secrets/NAME@VERSION, 0600 in a 0700 directory,
// replaced atomically and durably. Handed out in one place, where a member's environment is made. Must never put a
// value into a log, a report, the journal or an error (I14).
import { chmod, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type {
  MemberSpec,
  SecretReference,
  SecretValue,
  SecretVariables,
} from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import {
  assertSecretName,
  assertSecretValue,
  secretKey,
  secretsOfSpec,
} from '@leafward/shared/secrets.js';
import { syncDirectory } from './journal.js';

export interface Secrets {
  /** Kept until `retain` leaves it out. Never throws: what cannot be written is known until this agent ends. */
  keep(secret: SecretValue): Promise<void>;
  /** Forgets all others. Never throws. */
  retain(references: readonly SecretReference[]): Promise<void>;
  /** What this spec needs and is not here. */
  missing(spec: MemberSpec): readonly SecretReference[];
  /** The whole environment of a member. @throws LeafwardError `not-found`: never an empty value. */
  environmentOf(member: string, spec: MemberSpec): Readonly<Record<string, string>>;
  /** By variable, for a program other than a member. `what` it is for. @throws LeafwardError `not-found` */
  valuesOf(what: string, variables: SecretVariables | undefined): Readonly<Record<string, string>>;
  /** A word that members may print and nobody shall read, though no order names it. */
  hide(plaintext: string): void;
  /** The text without any value that this agent has known: a service may print what it was given. */
  redact(text: string): string;
}

/** Shorter ones would black out half of every text, and hide nothing that could not be guessed. */
const LEAST_REDACTED = 4;
/** Values of the past that are still redacted; a container of an older order may print them. */
const MOST_REDACTED = 1000;

/** @throws LeafwardError `failed` when the directory cannot be made or read. */
export async function openSecrets(directory: string, log: Logger): Promise<Secrets> {
  const values = await readAll(directory);
  const redacted = new Set<string>();
  const remember = (plaintext: string): void => {
    if (plaintext.length >= LEAST_REDACTED && redacted.size < MOST_REDACTED)
      redacted.add(plaintext);
  };
  for (const plaintext of values.values()) remember(plaintext);
  // Beside the others: however many passwords operators set, those of members go on to be hidden.
  const passing = new Set<string>();
  const hide = (plaintext: string): void => {
    if (plaintext.length < LEAST_REDACTED) return;
    passing.delete(plaintext);
    passing.add(plaintext);
    const [oldest] = passing;
    if (passing.size > MOST_REDACTED && oldest !== undefined) passing.delete(oldest);
  };
  const valuesOf: Secrets['valuesOf'] = (what, named) =>
    Object.fromEntries(
      Object.entries(named?.variables ?? {}).map(([variable, reference]): [string, string] => {
        const plaintext = values.get(secretKey(reference));
        if (plaintext === undefined) throw secretMissing(what, variable, reference);
        return [variable, plaintext];
      }),
    );
  return {
    async keep(secret) {
      const { name, plaintext } = secret;
      const key = secretKey(secret);
      try {
        assertSecretName(name);
        assertSecretValue(name, plaintext);
        if (values.get(key) === plaintext) return;
        values.set(key, plaintext);
        remember(plaintext);
        await write(directory, key, plaintext);
        log.info({ secret: key }, `keeps the secret ${key}`);
      } catch (error) {
        log.error({ secret: key }, `keep the secret ${key} on disk: ${messageOf(error)}`);
      }
    },
    async retain(references) {
      const wanted = new Set(references.map(secretKey));
      const others = [...values.keys()].filter((key) => !wanted.has(key));
      for (const key of others) {
        values.delete(key);
        await rm(join(directory, key), { force: true }).catch((error: unknown) =>
          log.error({ secret: key }, `forget the secret ${key}: ${messageOf(error)}`),
        );
      }
    },
    missing: (spec) => secretsOfSpec(spec).filter((reference) => !values.has(secretKey(reference))),
    environmentOf(member, spec) {
      return { ...spec.environment, ...valuesOf(member, spec.secretEnvironment) };
    },
    valuesOf,
    hide,
    redact(text) {
      let clean = text;
      // The longest first: one value may be a part of another.
      for (const value of [...redacted, ...passing].sort((a, b) => b.length - a.length))
        clean = clean.replaceAll(value, '[hidden]');
      return clean;
    },
  };
}

function secretMissing(
  member: string,
  variable: string,
  reference: SecretReference,
): LeafwardError {
  return new LeafwardError(
    'not-found',
    `make the environment of ${member}: the secret ${secretKey(reference)} for ${variable} is not on this host; it comes with the next session with the controller`,
    { retry: 'later' },
  );
}

async function readAll(directory: string): Promise<Map<string, string>> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await chmod(directory, 0o700);
    const values = new Map<string, string>();
    for (const file of await readdir(directory)) {
      const path = join(directory, file);
      // A write that was cut off; the value comes again with the next session.
      if (file.endsWith('.new')) await rm(path, { force: true });
      else values.set(file, await readFile(path, 'utf8'));
    }
    return values;
  } catch (error) {
    throw new LeafwardError('failed', `read the secrets in ${directory}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function write(directory: string, key: string, plaintext: string): Promise<void> {
  const path = join(directory, key);
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(plaintext);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  await syncDirectory(directory);
}
