// What a member is and rarely changes: asked once for each of its runs, and now and then. Keeps nothing of a member
// that does not run.
import { isAbort } from '@leafward/shared/errors.js';
import type { CommandName } from '@leafward/shared/manifest/abilities.js';
import { askIfAble } from './ask.js';
import type { Look, Talk } from './run-command.js';

export interface SlowFacts {
  readonly iden?: string | undefined;
  readonly version?: string | undefined;
}

/** An identity can change under a running server, as by a restore by hand: seen within this. */
const ASK_EVERY_MS = 60_000;
const MAX_TEXT = 200;

interface Kept {
  readonly facts: SlowFacts;
  readonly exec: Talk['exec'];
  readonly startedAt: number | undefined;
  readonly askedAt: number;
}

export interface SlowFactsCache {
  /** @throws LeafwardError of the command that did not answer. */
  of(
    talk: Talk,
    run: { readonly startedAt: number | undefined; readonly look: Look },
    signal: AbortSignal,
  ): Promise<SlowFacts>;
  forget(member: string): void;
}

export function createSlowFacts(): SlowFactsCache {
  const kept = new Map<string, Kept>();
  return {
    async of(talk, { startedAt, look }, signal) {
      const { exec, member } = talk;
      const known = kept.get(member.member);
      const isFresh =
        known !== undefined &&
        performance.now() - known.askedAt < ASK_EVERY_MS &&
        startedAt !== undefined;
      if (isFresh && known.exec === exec && known.startedAt === startedAt) return known.facts;
      const text = (name: CommandName): Promise<string | undefined> =>
        askIfAble(
          talk,
          name,
          (value) => talk.parts.redact(value).slice(0, MAX_TEXT),
          { look },
          signal,
        );
      const [iden, version] = await Promise.all([text('identity'), text('version')]).catch(
        (error: unknown) => {
          if (!isAbort(error)) kept.delete(member.member);
          throw error;
        },
      );
      const facts = { iden, version };
      kept.set(member.member, { facts, exec, startedAt, askedAt: performance.now() });
      return facts;
    },
    forget: (member) => void kept.delete(member),
  };
}
