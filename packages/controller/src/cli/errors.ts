// An error as an operator reads it: what was tried, what came back, what to do next. Never a stack unless
// LEAFWARD_DEBUG=1.
import { LeafwardError, type ErrorCode } from '@leafward/shared/errors.js';
import type { Style } from './render/style.js';
import { cleanText, wrap } from './render/text.js';

const NEXT: Partial<Readonly<Record<ErrorCode, string>>> = {
  unavailable:
    'see that leafward-controller runs (its log says why not) and that this machine reaches it, then try again; services run on meanwhile',
  'not-found':
    'names and ids are in: leafward status, leafward plan list, leafward operation list --all',
  timeout: 'the controller or an agent is slow to answer: look at leafward status, then try again',
  unauthenticated:
    'ask an admin for `leafward user invite NAME` and run `leafward enroll URL` here',
  denied: 'ask an admin; your role is in `leafward user list`',
  stale: 'the fleet has changed since: make the plan again with `leafward plan …` and look at it',
  exhausted: 'make room or ask for less, then try again',
};

/** Several lines for stderr, the last one without a line end. */
export function renderError(command: string, error: unknown, style: Style): string {
  if (!(error instanceof LeafwardError)) {
    const text = error instanceof Error ? error.message : String(error);
    return [
      `${style.paint('red', command)}: this is a bug of leafward: ${cleanText(text)}`,
      'next: run it again with LEAFWARD_DEBUG=1 and report what it prints',
    ].join('\n');
  }
  const lines = [
    wrap(`${style.paint('red', `${command}:`)} [${error.code}] ${cleanText(error.text)}`, {
      columns: style.columns,
      first: '',
      rest: '  ',
    }),
    ...error.detail.map((line) =>
      wrap(cleanText(line), { columns: style.columns, first: '  - ', rest: '    ' }),
    ),
  ];
  const isListed = error.text.includes('there are') || error.detail.length > 0;
  const next = error.code === 'not-found' && isListed ? undefined : NEXT[error.code];
  if (next !== undefined)
    lines.push(wrap(next, { columns: style.columns, first: 'next: ', rest: '      ' }));
  return lines.join('\n');
}
