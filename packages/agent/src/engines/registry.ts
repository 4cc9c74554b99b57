// The engines there are, by the kind that a manifest names: one line each.
import type { Engine } from './engine.js';
import { createSynapseEngine } from './synapse/engine.js';

export type EngineFactory = () => Engine;

export const engineFactories: Readonly<Record<string, EngineFactory>> = {
  synapse: createSynapseEngine,
};
