// The engine for Matrix Synapse: a main process and workers that share its database. They are asked over HTTP; there
// are no mirrors, so nothing here leads, follows or hands over.
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { Engine, EngineMember } from '../engine.js';
import { isMain } from './addresses.js';
import { backUp, backupRoom } from './backup.js';
import { migrationIn } from './migration-line.js';
import { observeProcess } from './observe.js';
import { restore } from './restore.js';

export function createMatrixSynapseEngine(): Engine {
  /** Workers of this host, so that a main process knows whom it should have. */
  const workers = new Map<string, EngineMember>();
  const workersOf = (service: string): readonly EngineMember[] =>
    [...workers.values()].filter((worker) => worker.service === service);
  return {
    kind: 'matrix-synapse',
    observe: async (member, signal) => {
      if (!isMain(member)) workers.set(member.member, member);
      try {
        return await observeProcess(member, workersOf(member.service), signal);
      } catch (error) {
        return { answered: false, error: messageOf(error) };
      }
    },
    // Which process is which is in its command and environment; its storage says nothing of it.
    readStoredRole: () => Promise.resolve({ upstreamUrl: undefined }),
    writeRole: () => Promise.resolve(),
    writeRetired: () => Promise.resolve(),
    backupRoom,
    backup: backUp,
    promote: refuse('promote'),
    probeHistory: refuse('compare the history of'),
    migrationIn: (line) => migrationIn(line),
    abilities: () => ({ seeds: false, repoints: false, storesPosition: false }),
    seed: refuse('seed'),
    repoint: refuse('re-point'),
    stepDown: refuse('step down'),
    storedPosition: () => Promise.resolve(undefined),
    restore,
    test: () => Promise.resolve([]),
    forget: (member) => void workers.delete(member),
  };
}

function refuse(act: string): (member: EngineMember) => Promise<never> {
  return ({ member }) =>
    Promise.reject(
      new LeafwardError(
        'refused',
        `${act} ${member}: a homeserver has one main process and no mirrors; its database is what has copies, so do this to the database's service`,
      ),
    );
}
