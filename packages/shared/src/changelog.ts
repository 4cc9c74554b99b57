// Release notes as Synapse writes them (reStructuredText): releases under double rules, sections under single ones. Takes
// what an update must know: migrations that run by themselves, and flag days of the data model. Pure.
import type { ReleaseNote, ReleaseNotes } from './gen/domain.js';

/** An entry that is longer says the rest in the file. */
const MAX_TEXT = 600;
/** More of one release are not read by anybody in a plan. */
const MAX_ENTRIES = 40;

const RELEASE = /^v?(\d+\.\d+\.\d+(?:[-+.][0-9A-Za-z.-]+)?)(?:\s|$)/;
const MIGRATIONS = /^automat(?:ic|ed)\s+(?:data\s+|model\s+)?migrations?$/i;
const FLAG_DAY = /\bflag[\s-]?days?\b/i;
/** It points to the chapter that every release points to. */
const POINTER = /^See \S+ for more information about (?:automatic|automated) migrations\.?$/i;

/** Undefined: no release was found in it. */
export function parseChangelog(text: string): ReleaseNotes | undefined {
  const releases = releasesIn(text.replaceAll('\r\n', '\n').split('\n'));
  const [newest] = releases;
  const oldest = releases.at(-1);
  if (newest === undefined || oldest === undefined) return undefined;
  return {
    newest: newest.version,
    oldest: oldest.version,
    migrations: releases.flatMap((release) => notesOf(release, isMigrations)),
    flagDays: releases.flatMap((release) => notesOf(release, isFlagDay)),
  };
}

interface Section {
  readonly title: string;
  readonly lines: string[];
}

interface Release {
  readonly version: string;
  readonly sections: Section[];
}

function releasesIn(lines: readonly string[]): readonly Release[] {
  const releases: Release[] = [];
  lines.forEach((line, index) => {
    const title = titleAt(lines, index);
    const release = releases.at(-1);
    if (title === undefined) release?.sections.at(-1)?.lines.push(line);
    else {
      const version = RELEASE.exec(title)?.[1];
      if (version === undefined) release?.sections.push({ title, lines: [] });
      else releases.push({ version, sections: [{ title: '', lines: [] }] });
    }
  });
  return releases;
}

/** A line with a rule below it; the rule itself is the empty title's and is dropped with the next section. */
function titleAt(lines: readonly string[], index: number): string | undefined {
  const line = lines[index] ?? '';
  const rule = lines[index + 1] ?? '';
  const isRuled = /^([=\-~^*])\1{2,}\s*$/.test(rule);
  return isRuled && /^\S/.test(line) && !isRule(line) ? line.trim() : undefined;
}

const isRule = (line: string): boolean => /^([=\-~^*])\1{2,}\s*$/.test(line);

const isMigrations = (title: string): boolean => MIGRATIONS.test(title);
const isFlagDay = (title: string): boolean => FLAG_DAY.test(title);

function notesOf(
  { version, sections }: Release,
  isMeant: (title: string) => boolean,
): readonly ReleaseNote[] {
  return sections
    .filter(({ title }) => isMeant(title))
    .flatMap(({ lines }) => entriesIn(lines))
    .filter((text) => !POINTER.test(text))
    .slice(0, MAX_ENTRIES)
    .map((text) => ({ version, text }));
}

/** Bullets, and paragraphs between them. */
function entriesIn(lines: readonly string[]): readonly string[] {
  const entries: string[][] = [];
  let isOpen = false;
  for (const line of lines) {
    if (line.trim() === '' || isRule(line)) {
      isOpen = false;
      continue;
    }
    const bullet = /^[-*]\s+(.*)$/.exec(line)?.[1];
    const belongs = bullet === undefined && (isOpen || (/^\s/.test(line) && entries.length > 0));
    if (belongs) entries.at(-1)?.push(line.trim());
    else entries.push([bullet ?? line.trim()]);
    isOpen = true;
  }
  return entries.map((parts) => plain(parts.join(' '))).filter((text) => text !== '');
}

/** Without the marks of the format, and without links to pull requests. */
function plain(text: string): string {
  const read = text
    .replaceAll(/\(`#\d+ <[^>]*>`_+\)/g, '')
    .replaceAll(/`([^`<]+?)\s*<[^>]*>`_+/g, '$1')
    .replaceAll(/:[a-z]+:`([^`]*)`/g, '$1')
    .replaceAll(/`{1,2}([^`]*)`{1,2}_?/g, '$1')
    .replaceAll(/\*\*([^*]*)\*\*/g, '$1')
    .replaceAll(/\s+/g, ' ')
    .trim();
  return read.length <= MAX_TEXT ? read : `${read.slice(0, MAX_TEXT - 1)}…`;
}
