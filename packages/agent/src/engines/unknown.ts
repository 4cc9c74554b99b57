// Stands in for a kind that this agent does not know, as after a downgrade: it can say nothing and does nothing.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Engine } from './engine.js';

export function unknownEngine(kind: string): Engine {
  const text = `this agent does not know the kind ${kind}; install a newer agent`;
  const refuse = (): Promise<never> => Promise.reject(new LeafwardError('invalid', text));
  return {
    kind,
    observe: () => Promise.resolve({ answered: false, error: text }),
    readStoredRole: refuse,
    writeRole: refuse,
    writeRetired: refuse,
    backupRoom: refuse,
    backup: refuse,
    promote: refuse,
    probeHistory: refuse,
    migrationIn: () => undefined,
    abilities: () => ({ seeds: false, repoints: false, storesPosition: false }),
    seed: refuse,
    repoint: refuse,
    stepDown: refuse,
    storedPosition: refuse,
    restore: refuse,
    test: () => Promise.resolve([]),
    forget: () => undefined,
  };
}
