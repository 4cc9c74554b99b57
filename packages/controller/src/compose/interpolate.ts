// Variables in a compose file, as Compose fills them in. Pure; what has no value and needs one is told.

export type Variables = Readonly<Record<string, string | undefined>>;

/** `$NAME`, `${NAME}` and `${NAME:-word}` with - :- ? :? + :+, or `$$` for a dollar. */
const USE = /\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-?+])((?:[^{}]|\{[^{}]*\})*))?\})/g;

/** `tell` gets what is wrong; names without a value become empty, as Compose warns and does. */
export function interpolate(
  text: string,
  variables: Variables,
  tell: (problem: string) => void,
): string {
  return text.replaceAll(
    USE,
    (_, dollar?: string, bare?: string, name?: string, operator?: string, word: string = '') => {
      if (dollar !== undefined) return '$';
      const key = bare ?? name ?? '';
      const value = Object.hasOwn(variables, key) ? variables[key] : undefined;
      const isThere = value !== undefined && (operator?.startsWith(':') !== true || value !== '');
      const rest = (): string => interpolate(word, variables, tell);
      switch (operator?.at(-1)) {
        case '-':
          return isThere ? value : rest();
        case '+':
          return isThere ? rest() : '';
        case '?':
          if (!isThere) tell(`the variable ${key} is needed and not set: ${rest()}`);
          return value ?? '';
        default:
          if (value === undefined) tell(`the variable ${key} is not set; put it into .env`);
          return value ?? '';
      }
    },
  );
}
