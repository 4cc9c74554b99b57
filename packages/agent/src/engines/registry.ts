// The engines there are, by the word that `engineNameOf` gives: one line each.
import type { ExecEngine, MemberSpec } from '@leafward/shared/gen/domain.js';
import type { Engine, EngineParts } from './engine.js';
import { createExecEngine } from './exec/engine.js';
import { createMatrixSynapseEngine } from './matrix-synapse/engine.js';
import { createSynapseEngine } from './synapse/engine.js';

export type EngineFactory = (parts: EngineParts) => Engine;

export const engineFactories: Readonly<Record<string, EngineFactory>> = {
  synapse: createSynapseEngine,
  exec: createExecEngine,
  'matrix-synapse': createMatrixSynapseEngine,
};

/** A kind that its order describes with commands is `exec`'s, whatever it is called. */
export const engineNameOf = (order: {
  readonly spec: Pick<MemberSpec, 'kind'>;
  readonly exec?: ExecEngine | undefined;
}): string => (order.exec === undefined ? order.spec.kind : 'exec');
