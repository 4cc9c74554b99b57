// Small values of compose files: words of a command, durations, sizes, ports, volumes. Pure; undefined: it is none.
import type { ComposePort } from './compose-file.js';

/** As a shell splits it, without any of its other meanings. */
export function splitWords(text: string): readonly string[] {
  const words: string[] = [];
  for (const [part] of text.matchAll(/(?:'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^\s'"\\])+/g))
    words.push(
      part.replaceAll(
        /'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)/g,
        (_, a?: string, b?: string, c: string = '') =>
          a ?? b?.replaceAll(/\\(["\\$`])/g, '$1') ?? c,
      ),
    );
  return words;
}

const UNITS_MS: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** `1m30s`; a bare number is seconds. */
export function durationMs(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  if (!/^(\d+(?:\.\d+)?(us|ms|s|m|h))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, number, unit = ''] of text.matchAll(/(\d+(?:\.\d+)?)(us|ms|s|m|h)/g))
    sum += Number(number) * (UNITS_MS[unit] ?? 0);
  return Math.round(sum);
}

const POWERS: Readonly<Record<string, number>> = { '': 0, b: 0, k: 1, m: 2, g: 3, t: 4 };

/** `512m`, `2gb`, `1024`: bytes. */
export function sizeBytes(text: string): number | undefined {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)\s*([bkmgt]?)i?b?$/i.exec(text.trim()) ?? [];
  if (number === undefined) return undefined;
  return Math.round(Number(number) * 1024 ** (POWERS[unit.toLowerCase()] ?? 0));
}

/** `[ADDRESS:]HOST:CONTAINER[/tcp]`; a container's port alone has no port of the host that is known. */
export function portOf(text: string): ComposePort | undefined {
  const match = /^(?:(\[[^\]]+\]|[\d.]+):)?(\d{1,5}):(\d{1,5})(?:\/tcp)?$/.exec(text);
  if (match === null) return undefined;
  const [, address, host, container] = match;
  return {
    host: Number(host),
    container: Number(container),
    ...(address === undefined ? {} : { address: address.replaceAll(/[[\]]/g, '') }),
  };
}
