// Why something is not done: evidence, waits and refusals in plain words. Pure.
import type { Evidence, Refusal, Wait } from '@leafward/shared/gen/domain.js';
import type { Style } from './style.js';
import { wrap } from './text.js';
import { formatAge, formatUntil } from './units.js';

/** lag: 12 (wanted 0); what is as wanted is said once. */
export function describeEvidence({ name, value, wanted }: Evidence): string {
  return `${name}: ${value}${wanted === undefined || wanted === value ? '' : ` (wanted ${wanted})`}`;
}

/** One line for facts that were seen together: container: running · position: 12, seen 3 s ago */
export function renderEvidence(
  evidence: readonly Evidence[],
  indent: string,
  style: Style,
): readonly string[] {
  return seenTogether(evidence).map(({ facts, seenAt }) => {
    const seen = seenAt === undefined ? '' : `, seen ${formatAge(seenAt, style.now)} ago`;
    const text = wrap(`${facts.map(describeEvidence).join(' · ')}${seen}`, {
      columns: style.columns,
      first: indent,
      rest: `${indent}  `,
    });
    return style.paint('dim', text);
  });
}

interface Together {
  readonly facts: Evidence[];
  /** Of the oldest one. */
  seenAt: number | undefined;
}

const TOGETHER_MS = 5_000; // what one report says, and the contact that brought it

/** A name that comes again begins the facts of the next subject. */
function seenTogether(evidence: readonly Evidence[]): readonly Together[] {
  const groups: Together[] = [];
  for (const each of evidence) {
    const { seenAt } = each;
    const last = groups.at(-1);
    const isNear =
      last !== undefined &&
      (last.seenAt === undefined) === (seenAt === undefined) &&
      Math.abs((last.seenAt ?? 0) - (seenAt ?? 0)) <= TOGETHER_MS;
    if (isNear && last.facts.every(({ name }) => name !== each.name)) {
      last.facts.push(each);
      if (seenAt !== undefined) last.seenAt = Math.min(last.seenAt ?? seenAt, seenAt);
    } else groups.push({ facts: [each], seenAt });
  }
  return groups;
}

export function renderWait(wait: Wait, indent: string, style: Style): readonly string[] {
  const since = `since ${formatAge(wait.since, style.now)}`;
  const deadline =
    wait.deadlineAt === undefined
      ? 'no deadline'
      : `gives up ${formatUntil(wait.deadlineAt, style.now)}`;
  const first = wrap(`waits: ${wait.message} [${wait.code}] (${since}, ${deadline})`, {
    columns: style.columns,
    first: indent,
    rest: `${indent}       `,
  });
  return [
    first.replace('waits:', style.paint('yellow', 'waits:')),
    ...unblockLine(wait.unblock, indent, style),
    ...renderEvidence(wait.evidence, `${indent}  `, style),
  ];
}

export function renderRefusal(refusal: Refusal, indent: string, style: Style): readonly string[] {
  const first = wrap(`✗ ${refusal.message} [${refusal.code}] (${refusal.subject})`, {
    columns: style.columns,
    first: indent,
    rest: `${indent}  `,
  });
  return [
    first.replace('✗', style.paint('red', '✗')),
    ...unblockLine(refusal.unblock, indent, style),
    ...renderEvidence(refusal.evidence, `${indent}    `, style),
  ];
}

function unblockLine(unblock: string, indent: string, style: Style): readonly string[] {
  if (unblock === '') return [];
  const line = wrap(`to go on: ${unblock}`, {
    columns: style.columns,
    first: `${indent}  `,
    rest: `${indent}            `,
  });
  return [line];
}
