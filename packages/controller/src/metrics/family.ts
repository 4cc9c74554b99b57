// One metric over many subjects, written as Prometheus text. prom-client keeps a record for each series and
// renders them all in one go; a fleet has too many of them for that, so they come straight from the snapshot.

export type Kind = 'gauge' | 'counter';

/** Labels beyond the subject's own, ready to append (',role="leader"' or ''), and the value. */
export type Sample = readonly [more: string, value: number];

export interface Family<T> {
  readonly name: string;
  readonly help: string;
  readonly kind: Kind;
  /** No sample: nothing is known, the series is not there. */
  readonly samples: (subject: T) => readonly Sample[];
}

/** A subject with its labels as text: service="cortex",member="00.cortex" */
export interface Row<T> {
  readonly labels: string;
  readonly subject: T;
}

export function gauge<T>(
  name: string,
  help: string,
  value: (subject: T) => number | undefined,
): Family<T> {
  return { name, help, kind: 'gauge', samples: oneSample(value) };
}

export function counter<T>(
  name: string,
  help: string,
  value: (subject: T) => number | undefined,
): Family<T> {
  return { name, help, kind: 'counter', samples: oneSample(value) };
}

const NONE: readonly Sample[] = [];

function oneSample<T>(value: (subject: T) => number | undefined): Family<T>['samples'] {
  return (subject) => {
    const figure = value(subject);
    return figure === undefined ? NONE : [['', figure]];
  };
}

export const seconds = (ms: number | undefined): number | undefined =>
  ms === undefined ? undefined : ms / 1000;

export const truth = (value: boolean | undefined): number | undefined =>
  value === undefined ? undefined : Number(value);

export function headOf(name: string, help: string, kind: string): string {
  return `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${kind}\n`;
}

export function lineOf(name: string, labels: string, value: number): string {
  return labels === '' ? `${name} ${value}\n` : `${name}{${labels}} ${value}\n`;
}

/** service="cortex",member="00.cortex" */
export function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .join(',');
}

const SPECIAL = /[\\"\n]/;
const LONGEST_LABEL = 200; // longer ones are somebody's message, not a name

function escapeLabel(value: string): string {
  const short = value.length > LONGEST_LABEL ? value.slice(0, LONGEST_LABEL) : value;
  if (!SPECIAL.test(short)) return short;
  return short.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
