// leafward logs: what members print, from all their hosts in one stream. Reads only.
import { InvalidArgumentError, Option, type Command } from 'commander';
import type {
  LogLevel,
  LogLine,
  StreamLogsRequest,
  StreamLogsResponse,
} from '@leafward/shared/gen/domain.js';
import { addCommand, type Tree } from '../command.js';
import { renderLogLine } from '../render/log-line.js';
import { cleanData, plural, widthOf } from '../render/text.js';
import { parseDuration } from '../render/units.js';
import type { Run } from '../run.js';
import { followLogs } from '../watch/follow-logs.js';

interface LogsOptions {
  readonly follow?: boolean;
  readonly since?: number;
  readonly level?: LogLevel;
  readonly lines?: number;
}

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warning', 'error', 'critical'];
const DEFAULT_LINES = 100;
const MOST_LINES = 10_000;

export function addLogs(program: Command, tree: Tree): void {
  addCommand<LogsOptions>(program, tree, {
    usage: 'logs <member...>',
    summary: 'what members print, or all members of a service, from all hosts in one stream',
    options: [
      new Option('-f, --follow', 'go on with what comes, until Ctrl-C'),
      sinceOption(() => tree.context.clock.now()),
      new Option('--level <level>', 'leave out what is less grave').choices(LEVELS),
      linesOption(),
    ],
    more: `Structured lines (logging: { structured: true } in the manifest) are taken apart; with -o json each comes with its
whole record. Lines that do not say how grave they are are shown with any --level.`,
    async act(run, options, ...subjects) {
      const { follow = false, since, level } = options;
      const request: StreamLogsRequest = {
        subjects: namesIn(subjects),
        since,
        follow,
        level,
        lines: options.lines ?? (since === undefined ? DEFAULT_LINES : MOST_LINES),
        records: run.format !== 'table',
      };
      const client = await run.client();
      const open = (asked: StreamLogsRequest, signal: AbortSignal) =>
        client.streamLogs(asked, { signal });
      const { clock, signal } = run.context;
      const responses = follow
        ? followLogs({ open, request, clock, onBreak: (text) => run.remark(text) }, signal)
        : open(request, signal);
      const show = view(run);
      for await (const response of responses) show(response);
    },
  });
}

/** commander hands over the list of a variadic argument as one. */
const namesIn = (subjects: readonly unknown[]): readonly string[] =>
  [...new Set(subjects.flat())].filter((one): one is string => typeof one === 'string');

function view(run: Run): (response: StreamLogsResponse) => void {
  let width = 0;
  return (response) => {
    if (response.kind === 'note') {
      run.remark(cleanData(`${response.subject}: ${response.text}`));
      return;
    }
    if (response.kind === 'skipped') {
      const { member, lines } = response;
      if (run.format === 'table')
        run.remark(
          cleanData(
            `${member}: ${plural(lines, 'line')} left out: they came faster than they could be shown`,
          ),
        );
      else run.showNext({ member, skipped: lines });
      return;
    }
    const style = run.style();
    for (const line of response.lines) {
      width = Math.max(width, widthOf(line.member));
      if (run.format === 'table') run.say(renderLogLine(cleanLine(line), width, style));
      else run.showNext(documentOf(line));
    }
  };
}

/** Of a traceback the lines stay lines. */
function cleanLine(line: LogLine): LogLine {
  const detail = line.detail
    ?.split('\n')
    .map((one) => cleanData(one))
    .join('\n');
  return { ...cleanData({ ...line, detail: undefined, record: undefined }), detail };
}

function documentOf({ record, at, ...line }: LogLine): object {
  return {
    at: at === undefined ? null : new Date(at).toISOString(),
    ...line,
    ...(record === undefined ? {} : { record: recordIn(record) }),
  };
}

/** As text where a hidden value was a part of its form. */
function recordIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function sinceOption(now: () => number): Option {
  const text = 'nothing older: so long ago (90s, 30m, 2h, 7d), or a date (2026-11-22T01:00:00Z)';
  return new Option('--since <moment>', text).argParser((value) => {
    const ms = parseDuration(value);
    const at = ms === undefined ? Date.parse(value) : now() - ms;
    if (Number.isNaN(at) || at > now())
      throw new InvalidArgumentError('It must be a duration such as 1h, or a date that is past.');
    return at;
  });
}

function linesOption(): Option {
  const text = `of what was printed before, the newest of each member; default ${DEFAULT_LINES}, with --since all, up to ${MOST_LINES}`;
  return new Option('-n, --lines <number>', text).argParser((value) => {
    const lines = Number(value);
    if (!/^\d+$/.test(value) || lines > MOST_LINES)
      throw new InvalidArgumentError(`It must be a number from 0 to ${MOST_LINES}.`);
    return lines;
  });
}
