// Follows the fleet's status until Ctrl-C: redrawn on a terminal, else one line a change.
import type { Status, WatchStatusResponse } from '@leafward/shared/gen/domain.js';
import { renderStatus } from '../render/status.js';
import { statusChanges } from '../render/status-changes.js';
import { cleanData } from '../render/text.js';
import { formatClock } from '../render/units.js';
import type { Run } from '../run.js';
import { follow } from './follow.js';
import { startRedraw } from './redraw.js';

export async function watchStatus(run: Run, service: string | undefined): Promise<void> {
  const client = await run.client();
  const view = openView(run);
  try {
    const stream = follow<WatchStatusResponse>(
      {
        open: (signal) => client.watchStatus({ service }, { signal }),
        isLast: () => false,
        onBreak: (text) => view.trouble(text),
        clock: run.context.clock,
      },
      run.context.signal,
    );
    for await (const { status } of stream) view.show(status);
  } finally {
    view.close();
  }
}

function openView(run: Run): {
  show(status: Status): void;
  trouble(text: string): void;
  close(): void;
} {
  const { terminal, clock } = run.context;
  if (run.format === 'table' && terminal.interactive)
    return startRedraw<Status>(terminal, clock, (status, ageMs) =>
      renderStatus(cleanData(status), run.style(status.now + ageMs)),
    );
  let before: Status | undefined;
  return {
    show(status) {
      if (run.format === 'table')
        for (const line of statusChanges(before, status))
          run.say(cleanData(`${formatClock(status.now)}  ${line}`));
      else run.showNext(status);
      before = status;
    },
    trouble: (text) => run.remark(text),
    close: () => undefined,
  };
}
