// The copies of a host's backups, made of their parts: what requests call, the loop, and what the checks are told.
import { join } from 'node:path';
import type { Clock } from '@leafward/shared/clock.js';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import type { Catalogue } from '../backups/catalogue.js';
import type { Pins } from '../backups/pins.js';
import type { OffsiteFact } from '../checks/check.js';
import type { Secrets } from '../secrets.js';
import { startCopyLoop } from './copy-loop.js';
import { createOffsite, type Offsite } from './offsite.js';

export interface CopiesOptions {
  readonly stateDirectory: string;
  readonly host: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly catalogue: Catalogue;
  readonly pins: Pins;
  readonly secrets: Secrets;
  readonly members: () => readonly MemberIntent[];
  /** What is being done to a member on request; undefined: nothing, or nobody knows yet. */
  readonly activityOf: (member: string) => string | undefined;
  readonly onChange: () => void;
}

export interface Copies {
  readonly offsite: Offsite;
  fact(signal: AbortSignal): Promise<OffsiteFact | undefined>;
  stop(): Promise<void>;
}

export function openCopies(options: CopiesOptions): Copies {
  const { stateDirectory, catalogue, secrets, members } = options;
  const offsite = createOffsite({
    ...options,
    directory: join(stateDirectory, 'offsite'),
    path: process.env['PATH'] ?? '',
    redact: (text) => secrets.redact(text),
  });
  const loop = startCopyLoop({
    ...options,
    offsite,
    backups: () => catalogue.list(),
    isBackingUp: () =>
      members().some(({ member }) => options.activityOf(member)?.startsWith('run-backup') === true),
  });
  return { offsite, fact: (signal) => loop.fact(signal), stop: () => loop.stop() };
}
