// Stands for engines/synapse/engine.ts: the simulated engine, which behaves like that kind.
import type { Engine } from '@leafward/agent/engines/engine.js';
import { machine } from './machine.js';

export const createSynapseEngine = (): Engine => machine().engine;
