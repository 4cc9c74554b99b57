// Wakes its listener whenever a container may have changed. An Engine that is gone is asked again for ever,
// with growing pauses; every change of the connection itself counts as a change too.
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@leafward/shared/log.js';
import { messageOf } from '@leafward/shared/errors.js';
import type { EngineClient } from './engine-client.js';
import type { EngineDeadlines } from './deadlines.js';

const FIRST_PAUSE_MS = 250;
/** Longest pause: the loop's own timer looks at least this often anyway. */
const MAX_PAUSE_MS = 10_000;
/** Health checks make three exec events each; they change nothing. */
const EVENTS = [
  'create',
  'start',
  'die',
  'oom',
  'stop',
  'pause',
  'unpause',
  'rename',
  'update',
  'destroy',
];

export interface EngineWatch {
  readonly client: EngineClient;
  readonly deadlines: EngineDeadlines;
  readonly log: Logger;
  readonly onChange: () => void;
  readonly signal: AbortSignal;
}

/** Returns when the signal is aborted. Never throws. */
export async function watchEngine(watch: EngineWatch): Promise<void> {
  const { log, onChange, signal } = watch;
  let pauseMs = FIRST_PAUSE_MS;
  while (!signal.aborted) {
    try {
      await listen(watch, () => {
        pauseMs = FIRST_PAUSE_MS;
        onChange(); // what happened before the stream began was not told
      });
      log.warn(
        { socketPath: watch.client.socketPath },
        'the Docker Engine closed its event stream',
      );
    } catch (error) {
      if (signal.aborted) return;
      log.warn({ pauseMs }, `watch containers: ${messageOf(error)}`);
    }
    onChange();
    await delay(pauseMs, undefined, { signal }).catch(() => undefined);
    pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS);
  }
}

async function listen(watch: EngineWatch, onOpen: () => void): Promise<void> {
  const { client, deadlines, onChange, signal } = watch;
  const stream = await client.open({
    doing: 'watch containers',
    method: 'GET',
    path: '/events',
    query: { filters: { type: ['container'], event: EVENTS } },
    deadlineMs: deadlines.inspectMs,
    signal,
  });
  onOpen();
  await new Promise<void>((resolve) => {
    stream.on('data', onChange);
    stream.on('error', () => resolve());
    stream.on('close', () => resolve());
  });
}
