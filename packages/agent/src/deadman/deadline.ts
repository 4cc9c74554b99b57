// What the dead-man is told of a leader, and of which leaders it is told at all. Pure.
import type { ContainerState, MemberIntent } from '@leafward/shared/gen/domain.js';
import { mayRun } from '../plan/stopped.js';

/** What is stopped: found again by the dead-man alone, without the agent and without an Engine. */
export type Target =
  /** `pid` 0: it is about to be started; its wrapper's words name it. */
  | {
      readonly kind: 'process';
      readonly pid: number;
      readonly startTicks: number;
      readonly stateDirectory: string;
    }
  | { readonly kind: 'docker'; readonly containerId: string };

export interface Deadline {
  readonly bootId: string;
  /** CLOCK_BOOTTIME, milliseconds. */
  readonly atMs: number;
  readonly graceMs: number;
  /** The agent has sent the signal that stops it; nothing is left but the kill. */
  readonly isAsked: boolean;
  readonly target: Target;
}

/** One line, as packages/agent/deadman/leafward-deadman reads it. A path comes last: it may have spaces. */
export function renderDeadline({ bootId, atMs, graceMs, isAsked, target }: Deadline): string {
  const common = ['1', bootId, atMs, graceMs, isAsked ? '-' : 'TERM', target.kind];
  const own =
    target.kind === 'docker'
      ? [target.containerId]
      : [target.pid, target.startTicks, target.stateDirectory];
  return `${[...common, ...own].join(' ')}\n`;
}

/** Undefined: it is none, or one that an agent of another release wrote. */
export function parseDeadline(line: string): Deadline | undefined {
  const words = line.trimEnd().split(' ');
  const [version, bootId, at, grace, signal, kind, first, ticks, ...rest] = words;
  if (version !== '1' || bootId === undefined || first === undefined) return undefined;
  const stateDirectory = rest.join(' ');
  const target: Target =
    kind === 'docker'
      ? { kind, containerId: first }
      : { kind: 'process', pid: Number(first), startTicks: Number(ticks), stateDirectory };
  const read = {
    bootId,
    atMs: Number(at),
    graceMs: Number(grace),
    isAsked: signal === '-',
    target,
  };
  return renderDeadline(read) === line ? read : undefined;
}

/** A leader that must not outlive its permit. */
export function isLeased({ role, mirrored, isolation, run }: MemberIntent): boolean {
  return role === 'leader' && mirrored && isolation.onIsolation === 'stop' && run === 'running';
}

/** `renew`: what is armed already gets a later deadline; `keep`: it stays as it is. */
export type Arming = 'arm' | 'renew' | 'keep' | 'disarm';

/**
 * `state`: as it was seen last; undefined: not yet. `isBusy`: steps of it are at work, so it may be starting although it
 * was seen stopped.
 */
export function armingOf(
  intent: MemberIntent,
  state: ContainerState | undefined,
  isBusy: boolean,
): Arming {
  const isKnown = state !== undefined && state !== 'unknown';
  if (isKnown && !mayRun(state) && !isBusy) return 'disarm';
  if (isLeased(intent)) return isKnown && mayRun(state) ? 'arm' : 'renew';
  // One that follows, or that is to be kept when it is alone, needs no permit. One that shall stop is stopped by its
  // deadline, too, should the agent hang before it has done so.
  return intent.run === 'running' ? 'disarm' : 'keep';
}
