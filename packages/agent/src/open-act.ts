// Everything that carries requests out, made of the agent's parts. Decides nothing.
import { join } from 'node:path';
import type { AgentParts } from './assembly.js';
import type { Catalogue } from './backups/catalogue.js';
import { createTuner } from './checks/tuner.js';
import { openFreezes } from './freeze/freezes.js';
import { createAct, type ActParts } from './requests/acts.js';
import type { Act } from './requests.js';
import type { Runtimes } from './runtimes/registry.js';
import type { Secrets } from './secrets.js';

export interface ActWork extends Pick<
  ActParts,
  'engineOf' | 'pins' | 'offsite' | 'drills' | 'isBusy' | 'check'
> {
  readonly runtimes: Runtimes;
  readonly secrets: Secrets;
  readonly catalogue: Catalogue;
}

export function openAct(parts: AgentParts, { runtimes, secrets, ...work }: ActWork): Act {
  const { stateDirectory, roots } = parts.config;
  return createAct({
    ...parts,
    ...work,
    tuner: createTuner({ roots, stateFile: join(stateDirectory, 'tuned.json') }),
    runtime: (name) => runtimes.of(name),
    freezes: openFreezes({ ...parts, stateDirectory }),
    hide: (text) => secrets.hide(text),
    redact: (text) => secrets.redact(text),
  });
}
