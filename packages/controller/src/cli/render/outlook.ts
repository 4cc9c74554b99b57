// Why something is not done: evidence, waits and refusals in plain words. Pure.
import type { Evidence, Refusal, Wait } from '@leafward/shared/gen/domain.js';
import type { Style } from './style.js';
import { wrap } from './text.js';
import { formatAge, formatUntil } from './units.js';

/** lag 12 (wanted 0), seen 3 s ago */
export function describeEvidence(evidence: Evidence, now: number): string {
  const wanted = evidence.wanted === undefined ? '' : ` (wanted ${evidence.wanted})`;
  const seen = evidence.seenAt === undefined ? '' : `, seen ${formatAge(evidence.seenAt, now)} ago`;
  return `${evidence.name}: ${evidence.value}${wanted}${seen}`;
}

export function renderEvidence(
  evidence: readonly Evidence[],
  indent: string,
  style: Style,
): readonly string[] {
  return evidence.map((each) =>
    style.paint(
      'dim',
      wrap(describeEvidence(each, style.now), {
        columns: style.columns,
        first: indent,
        rest: `${indent}  `,
      }),
    ),
  );
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
