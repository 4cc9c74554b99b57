// One download by digest, given up on silence. Bytes are the Engine's business; it checks them against the digest.
import type { IncomingMessage } from 'node:http';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { EngineDeadlines } from './deadlines.js';
import { streamError } from './engine-error.js';
import type { EngineClient } from './engine-client.js';
import { followPull, type PullProgress } from './pull-progress.js';

/** Progress is for people: twice a second is enough. */
const PROGRESS_EVERY_MS = 500;

export interface Download {
  /** Registry and repository; empty when only an id is known. */
  readonly name: string;
  readonly digest: string;
  readonly onProgress: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Returns when the Engine says that it has it. @throws LeafwardError */
export async function download(
  client: EngineClient,
  deadlines: EngineDeadlines,
  { name, digest, onProgress, signal }: Download,
): Promise<void> {
  const doing = `pull image ${name}@${digest}`;
  if (name === '') {
    const text = `${doing}: this image is known by its id only and is not on this host; push it to a registry and use that name`;
    throw new LeafwardError('not-found', text);
  }
  const ended = new AbortController();
  const onAbort = (): void => ended.abort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const stream = await client.open({
      doing,
      method: 'POST',
      path: '/images/create',
      query: { fromImage: name, tag: digest },
      deadlineMs: deadlines.pullSilentMs,
      waitsFor: 'the registry',
      signal: ended.signal,
    });
    await follow(stream, { doing, deadlines, onProgress, signal });
  } finally {
    signal.removeEventListener('abort', onAbort);
    ended.abort(); // whatever ended it: the Engine stops a download that nobody reads
  }
}

interface Following {
  readonly doing: string;
  readonly deadlines: EngineDeadlines;
  readonly onProgress: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Until the stream ends well. Gives up on silence, on its whole deadline and on the caller's signal. */
function follow(stream: IncomingMessage, following: Following): Promise<void> {
  const { doing, deadlines, onProgress, signal } = following;
  const progress = followPull();
  return new Promise((resolve, reject) => {
    let lastTextAt = -PROGRESS_EVERY_MS;
    const fail = (code: 'timeout' | 'unavailable', why: string): void =>
      settle(new LeafwardError(code, `${doing}: ${why}`, { retry: 'later' }));
    const onSilence = (): void => fail('timeout', silenceOf(progress, deadlines));
    let silence = setTimeout(onSilence, deadlines.pullSilentMs);
    const whole = setTimeout(
      () => fail('timeout', `not done after ${deadlines.pullMs / 1000} s (${progress.text()})`),
      deadlines.pullMs,
    );
    const onAbort = (): void =>
      settle(new LeafwardError('aborted', `${doing}: aborted`, { retry: 'later' }));
    const settle = (error: LeafwardError | undefined): void => {
      clearTimeout(silence);
      clearTimeout(whole);
      signal.removeEventListener('abort', onAbort);
      if (error === undefined) resolve();
      else reject(error);
    };
    stream.on('data', (chunk: Buffer) => {
      const error = progress.take(chunk);
      if (error !== undefined) return settle(streamError(doing, error));
      clearTimeout(silence);
      silence = setTimeout(onSilence, silenceMs(progress, deadlines));
      const now = performance.now();
      if (now - lastTextAt < PROGRESS_EVERY_MS || progress.text() === '') return;
      lastTextAt = now;
      onProgress(progress.text());
    });
    stream.on('end', () => settle(undefined));
    stream.on('error', (error) => fail('unavailable', `the Engine hung up: ${messageOf(error)}`));
    stream.on('close', () => fail('unavailable', 'the Engine hung up'));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}

function silenceMs(progress: PullProgress, deadlines: EngineDeadlines): number {
  return progress.isUnpacking() ? deadlines.pullUnpackMs : deadlines.pullSilentMs;
}

function silenceOf(progress: PullProgress, deadlines: EngineDeadlines): string {
  const seconds = silenceMs(progress, deadlines) / 1000;
  const whom = progress.isUnpacking() ? "this host's disk" : 'the registry';
  const soFar = progress.text() === '' ? 'nothing came' : progress.text();
  return `${whom} was silent for ${seconds} s (${soFar}); see that it is well and try again`;
}
