// What the dead-man has to find again, from what the runtime said of it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerFact, MemberIntent } from '@leafward/shared/gen/domain.js';
import type { Run } from '../runtimes/process/member-files.js';
import type { Target } from './deadline.js';

export interface Here {
  readonly stateDirectory: string;
  readonly bootId: string;
}

/** Undefined: there is nothing that could be stopped. State `created`: it is about to be started. */
export function targetOf(
  { member, spec }: MemberIntent,
  { id, state }: ContainerFact,
  { stateDirectory, bootId }: Here,
): Target | undefined {
  if (spec.runtime === 'docker')
    return id === undefined ? undefined : { kind: 'docker', containerId: id };
  const run = state === 'created' ? undefined : readRun(stateDirectory, member);
  const isKnown = run?.bootId === bootId && run.startTicks > 0;
  return {
    kind: 'process',
    pid: isKnown ? run.pid : 0,
    startTicks: isKnown ? run.startTicks : 0,
    stateDirectory,
  };
}

/** As the process runtime keeps it. Undefined: it was not written yet. */
function readRun(stateDirectory: string, member: string): Run | undefined {
  try {
    const path = join(stateDirectory, 'members', member, 'run.json');
    return JSON.parse(readFileSync(path, 'utf8')) as Run;
  } catch {
    return undefined;
  }
}
