// What the commands of a kind answered at a member, and what the kind cannot do for want of others. Pure.
import type { CommandAnswer, ExecEngine } from '@leafward/shared/gen/domain.js';
import {
  COMMANDS,
  isAct,
  missingFor,
  type Ability,
  type CommandName,
} from '@leafward/shared/manifest/abilities.js';
import type { Style } from './style.js';
import { renderTable, type Cell } from './table.js';
import { plural, wrap } from './text.js';
import { formatDuration, NOTHING } from './units.js';

export interface EngineReport {
  readonly kind: string;
  readonly member: string;
  readonly host: string;
  readonly failed: number;
  readonly answers: readonly CommandAnswer[];
  /** Looks that the kind lacks, and what is not known without them. */
  readonly missing: readonly { readonly command: string; readonly without: string }[];
  /** What cannot be done with such a service, and the commands that it takes. */
  readonly cannot: readonly {
    readonly ability: string;
    readonly what: string;
    readonly missing: readonly string[];
  }[];
}

const ABILITIES: Readonly<Record<Ability, string>> = {
  mirror: 'have mirrors',
  backup: 'be backed up',
  restore: 'be restored from a backup',
  reseed: 'have an emptied member filled anew',
  'reseed-from-backup': 'have a mirror filled from a backup',
  'promote-gracefully': 'hand leadership over while it runs',
  'hand-over-by-stopping': 'hand leadership over by stopping the leader',
  'promote-by-force': 'be failed over',
  witness: 'have a silent leader asked by other hosts',
  'compare-histories': 'have histories of members compared',
  optimize: 'have databases of a stopped member made compact',
  'back-up-cold': 'be backed up while it is stopped',
};

/** Of looks that no ability needs. */
const WITHOUT: Readonly<Partial<Record<CommandName, string>>> = {
  identity: 'backups do not say whose data they hold',
  upstream: 'a running mirror that was pointed elsewhere is noticed when it starts again',
  linked: 'a mirror that lost its upstream is known by its lag only',
  ready: 'a member that answers counts as ready',
  writable: 'a leader that takes no writes is not noticed',
  version: 'its version is known by its image only',
  dataSize: 'room for a backup is reckoned from its storage directory',
};

export function engineReport(tested: {
  readonly kind: string;
  readonly exec: ExecEngine;
  readonly member: string;
  readonly host: string;
  readonly answers: readonly CommandAnswer[];
}): EngineReport {
  const { kind, exec, member, host, answers } = tested;
  const missing = COMMANDS.filter((command) => !isAct(command) && !(command in exec.commands));
  return {
    kind,
    member,
    host,
    failed: answers.filter(({ ok }) => !ok).length,
    answers,
    missing: missing.flatMap((command) => {
      const without = WITHOUT[command];
      return without === undefined ? [] : [{ command, without }];
    }),
    cannot: cannot(exec),
  };
}

/** One way to hand leadership over is enough. */
const INSTEAD: Readonly<Partial<Record<Ability, Ability>>> = {
  'promote-gracefully': 'hand-over-by-stopping',
  'hand-over-by-stopping': 'promote-gracefully',
};

function cannot(exec: ExecEngine): EngineReport['cannot'] {
  const lacks = (ability: Ability): readonly string[] =>
    missingFor(ability, { shape: 'tree', exec });
  return Object.entries(ABILITIES).flatMap(([key, what]) => {
    const ability = key as Ability;
    const missing = lacks(ability);
    const instead = INSTEAD[ability];
    if (missing.length === 0 || (instead !== undefined && lacks(instead).length === 0)) return [];
    return [{ ability, what, missing }];
  });
}

export function renderEngine(report: EngineReport, style: Style): string {
  const { kind, member, host, answers, failed } = report;
  const said =
    failed === 0
      ? style.paint('green', `${plural(answers.length, 'command')}, all answered`)
      : style.paint('red', `${failed} of ${plural(answers.length, 'command')} failed`);
  return [
    `${style.paint('bold', kind)} at ${member} on ${host}: ${said}`,
    ...(answers.length === 0 ? [] : ['', renderAnswers(answers, style)]),
    ...answers.flatMap((answer) => failure(answer, style)),
    ...section('not known for want of a command', style, report.missing.map(toMissing)),
    ...section('not possible for want of commands', style, report.cannot.map(toCannot)),
  ].join('\n');
}

const toMissing = ({ command, without }: EngineReport['missing'][number]): string =>
  `${command}: ${without}`;

const toCannot = ({ what, missing }: EngineReport['cannot'][number]): string =>
  `to ${what}: ${missing.join(', ')}`;

function renderAnswers(answers: readonly CommandAnswer[], style: Style): string {
  return renderTable(
    {
      columns: [
        { title: 'COMMAND' },
        { title: 'READ AS', elastic: true },
        { title: 'TOOK', right: true },
        { title: 'ANSWERED', elastic: true },
      ],
      rows: answers.map(({ command, ok, value, tookMs, output }): readonly Cell[] => [
        { text: command, colour: ok ? 'green' : 'red' },
        ok ? shown(value) : { text: 'failed', colour: 'red' },
        tookMs < 1000 ? `${tookMs} ms` : formatDuration(tookMs),
        output.trim() === '' ? NOTHING : output.trim(),
      ]),
    },
    style,
  );
}

/** An empty answer is an answer too. Undefined: others read parts of it. */
const shown = (value: string | undefined): string =>
  value === undefined ? NOTHING : value === '' ? '(empty)' : value;

function failure({ command, ok, error }: CommandAnswer, style: Style): readonly string[] {
  if (ok) return [];
  const mark = style.paint('red', '✗');
  const why = error ?? 'it failed, and its agent does not say why';
  const text = why.includes(command) ? why : `${command}: ${why}`;
  return [wrap(text, { columns: style.columns, first: '  ✗ ' }).replace('✗', () => mark)];
}

function section(title: string, style: Style, lines: readonly string[]): readonly string[] {
  if (lines.length === 0) return [];
  return [
    '',
    style.paint('dim', title),
    ...lines.map((line) => wrap(line, { columns: style.columns, first: '  ' })),
  ];
}
