// Members that shall not run, and what stops a running one. Pure.
import type { Draft } from './draft.js';

/** True when something of it may be alive, so that a stop is needed to be sure. */
export function mayRun(state: string): boolean {
  return state === 'running' || state === 'paused' || state === 'restarting';
}

/** As good as for ever: a migrating member is asked to stop and never killed. A fence has a limit of its own. */
const MIGRATING_GRACE_MS = 24 * 60 * 60_000;

/** With the grace of its spec, or less. */
export function planStop(draft: Draft, cause: string, maxGraceMs = Infinity): void {
  const { container, engine, intent } = draft.subject;
  if (!mayRun(container.state)) return;
  const { stopGraceMs } = intent.spec;
  const ownMs = engine.migrating === undefined ? stopGraceMs : MIGRATING_GRACE_MS;
  draft.step({ kind: 'stop', graceMs: Math.min(ownMs, maxGraceMs), cause });
}

/**
 * A managed container has the restart policy `no`: Docker must never start a leader by itself (I2). Comes
 * before a stop, which the runtime would undo otherwise.
 */
export function planRestartPolicy(draft: Draft): void {
  const { container, containerName } = draft.subject;
  if (container.state === 'absent' || container.state === 'unknown') return;
  const policy = container.restartPolicy ?? 'no';
  if (policy !== 'no' && policy !== '')
    draft.step({
      kind: 'set-restart-policy',
      container: containerName,
      cause: `restart policy is ${policy}; the runtime must not start it by itself`,
    });
}

/** True when the runtime does not answer; then the wait is in the draft and nothing can be done to it. */
export function waitsForRuntime(draft: Draft): boolean {
  const { container, intent } = draft.subject;
  if (container.state !== 'unknown') return false;
  draft.wait({
    code: 'runtime-unavailable',
    message: `the ${intent.spec.runtime} runtime does not say what ${intent.member} does: ${container.error ?? 'no answer'}`,
    unblock: `make the ${intent.spec.runtime} runtime answer on this host`,
  });
  return true;
}

export function planStopped(draft: Draft): void {
  if (waitsForRuntime(draft)) return;
  planRestartPolicy(draft);
  planStop(draft, 'wanted: stopped');
}

export function planRemoved(draft: Draft): void {
  if (waitsForRuntime(draft)) return;
  planRestartPolicy(draft);
  planStop(draft, 'wanted: removed');
  if (draft.subject.container.state !== 'absent')
    draft.step({ kind: 'remove', cause: 'wanted: removed' });
}
