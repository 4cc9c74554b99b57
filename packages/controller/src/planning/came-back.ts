// What an agent did of an operation while it was out of sight, in one sentence for the operation's events. Pure; says
// what facts and outcomes show, and nothing more.
import type { MemberFact, Operation, Report } from '@leafward/shared/gen/domain.js';
import { renderDuration } from './words.js';

export interface Return {
  readonly host: string;
  /** Undefined: this controller has not seen it before. */
  readonly awayMs: number | undefined;
  /** Its members as they were seen last. */
  readonly before: Readonly<Record<string, MemberFact>>;
  readonly report: Report;
}

/** A shorter absence is worth a word only if something happened in it. */
const NOTABLE_MS = 10_000;

/** Undefined: nothing is worth an event of this operation. */
export function returnText(operation: Operation, back: Return): string | undefined {
  const { host, awayMs, before, report } = back;
  const members = report.members.filter(({ service }) => operation.services.includes(service));
  const done = [
    ...members.flatMap((fact) => doneTo(before[fact.member], fact)),
    ...report.outcomes
      .filter(({ requestId }) => requestId.startsWith(`${operation.id}.`))
      .map(({ requestId, state, message }) =>
        state === 'running'
          ? `is still at request ${requestId}`
          : `request ${requestId} ${state}${message === undefined ? '' : `: ${message}`}`,
      ),
  ];
  if (done.length === 0 && (awayMs ?? 0) < NOTABLE_MS) return undefined;
  const away = awayMs === undefined ? '' : ` after ${renderDuration(awayMs)}`;
  const now = members.flatMap(stateNow);
  return [
    `host ${host} is back${away}`,
    done.length === 0 ? 'it did nothing of this meanwhile' : `meanwhile: ${done.join(', ')}`,
    ...now,
  ].join('; ');
}

function doneTo(before: MemberFact | undefined, now: MemberFact): readonly string[] {
  const { member } = now;
  if (before === undefined) return [];
  const starts = now.starts - before.starts;
  const changed = (
    [
      ['container', before.container.state, now.container.state],
      ['version', before.engine.version, now.engine.version],
      ['filled by reseed', before.storage.reseeded, now.storage.reseeded],
      ['term', before.term, now.term],
    ] as const
  ).filter(([, old, next]) => next !== undefined && old !== next);
  return [
    ...(starts > 0 ? [`${member} was started${starts === 1 ? '' : ` ${starts} times`}`] : []),
    ...changed.map(([what, old, next]) => `${member} ${what} ${old ?? 'none'} → ${next ?? ''}`),
  ];
}

/** What it is at, or what it stopped before. */
function stateNow({ member, activity, waits, refusals }: MemberFact): readonly string[] {
  if (activity !== undefined) return [`${member} is at ${activity}`];
  const [stop] = [...refusals, ...waits];
  return stop === undefined ? [] : [`${member} stopped before a step: ${stop.message}`];
}
