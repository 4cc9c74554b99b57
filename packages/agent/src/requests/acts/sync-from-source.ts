// Beside a member that runs: a tool brings it what the source of its migration got since, until the tool says that it has
// caught up. It keeps its own offset, so it may be broken off and begun again anywhere.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Result } from '../../requests.js';
import { runTool, storageInside } from './migration-tool.js';
import { refuseUnfit, type Kind, type Turn } from './parts.js';

/** @throws LeafwardError `failed` when it ends without having caught up, `timeout`, what the runtime throws. */
export async function syncFromSource(
  request: Kind<'sync-from-source'>,
  turn: Turn,
): Promise<Result> {
  const intent = await refuseUnfit(request, { run: 'running' }, turn.parts);
  const { image, timeoutMs, member, command } = request;
  const what = `sync ${member} with its source`;
  const matcher = new RegExp(request.caughtUp);
  const end = new AbortController();
  const inside = storageInside(intent.spec);
  const argv = command.map((word) => word.replaceAll('{storage}', inside));
  const signal = AbortSignal.any([turn.signal, end.signal]);
  let caughtUp: string | undefined;
  turn.onProgress('the tool begins');
  try {
    await runTool({ what, image, argv, timeoutMs }, intent, { ...turn, signal }, (line) => {
      turn.onProgress(line);
      if (caughtUp !== undefined || !matcher.test(line)) return;
      caughtUp = line;
      // It would follow for ever.
      end.abort();
    });
  } catch (error) {
    if (caughtUp === undefined || turn.signal.aborted) throw error;
  }
  if (caughtUp !== undefined) return { message: caughtUp };
  throw new LeafwardError(
    'failed',
    `${what}: the tool ended and had not said that it has caught up (${request.caughtUp})`,
  );
}
