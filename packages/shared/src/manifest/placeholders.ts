// Which placeholders the words of a kind's command may hold. Pure. The agent fills them in; a value is never
// split into words again.
import type { CommandName } from './abilities.js';
import { PLACEHOLDER } from './templates.js';

const EVERYWHERE = ['member', 'service', 'storage', 'image', 'timeoutSeconds'] as const;
const OF_UPSTREAM = ['upstreamUrl', 'upstream.host', 'upstream.port'] as const;

const MORE: Readonly<Partial<Record<CommandName, readonly string[]>>> = {
  history: ['position'],
  // Of a mirror, as its order says.
  linked: OF_UPSTREAM,
  // Of the leader that is asked, as failover.probe says.
  answers: OF_UPSTREAM,
  promote: OF_UPSTREAM,
  forcePromote: OF_UPSTREAM,
  setUpstream: OF_UPSTREAM,
  repoint: OF_UPSTREAM,
  seed: OF_UPSTREAM,
  backup: ['directory'],
  restore: ['backup'],
};

/** Of one command, beside every {port.NAME}. */
export const placeholdersOf = (command: CommandName): readonly string[] => [
  ...EVERYWHERE,
  ...(MORE[command] ?? []),
];

/** Names within braces, each once: `{member}-{port.sql}` holds member and port.sql. */
export const placeholdersIn = (words: readonly string[]): readonly string[] => [
  ...new Set(words.flatMap((word) => [...word.matchAll(PLACEHOLDER)].map(([, key = '']) => key))),
];

export const portOf = (placeholder: string): string | undefined =>
  placeholder.startsWith('port.') ? placeholder.slice('port.'.length) : undefined;

/** Undefined: it means something here. */
export function objectionTo(placeholder: string, command: CommandName): string | undefined {
  const known = placeholdersOf(command);
  if (known.includes(placeholder) || portOf(placeholder) !== undefined) return undefined;
  const elsewhere = Object.entries(MORE)
    .filter(([, more]) => more.includes(placeholder))
    .map(([other]) => other);
  const listed = [...known.map((key) => `{${key}}`), '{port.NAME}'].join(' ');
  return elsewhere.length > 0
    ? `{${placeholder}} is known to ${elsewhere.join(', ')} only; ${command} knows ${listed}`
    : `{${placeholder}} means nothing here; ${command} knows ${listed}`;
}

/** `tcp://10.0.0.11:5432/x` → host and port; undefined where a URL says none, as unix:///run/x. */
export function hostAndPortOf(url: string): {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
} {
  const found =
    /^[A-Za-z][A-Za-z0-9+.-]*:\/\/(?:[^@/?#]*@)?(?:\[([^\]]+)\]|([^:/?#[\]]+))(?::(\d{1,5}))?(?:[/?#]|$)/.exec(
      url,
    );
  if (found === null) return {};
  return {
    host: found[1] ?? found[2],
    port: found[3] === undefined ? undefined : Number(found[3]),
  };
}
