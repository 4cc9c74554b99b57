// The engine for any database that a manifest describes with commands: runs them, and believes of what they print only
// what it understands. Keeps no link; what it keeps of a member is a cache.
import { isAbort, LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { Engine, EngineAbilities, EngineMember, EngineParts } from '../engine.js';
import { askPosition } from './ask.js';
import { backUp } from './backup.js';
import { backupRoom } from './backup-room.js';
import { execCare } from './care.js';
import { matchIn } from './bounded-match.js';
import { refuseFromBackup, restore, restoreAsMirror, seed } from './fill-storage.js';
import { probeHistory } from './history.js';
import { observe } from './observe.js';
import { probeLeader } from './probe-leader.js';
import { promote, stepDown } from './promote.js';
import { act, has, type Talk } from './run-command.js';
import { createSlowFacts } from './slow-facts.js';
import { readStoredRole, writeRole } from './stored-role.js';
import { testCommands } from './test-commands.js';

/** For the methods without a signal; each command has its own deadline as well. */
const ROLE_MS = 60_000;

export function createExecEngine(parts: EngineParts): Engine {
  const slowFacts = createSlowFacts();
  const backingUp = new Set<string>();
  const talkTo = (member: EngineMember): Talk => {
    const { exec } = member;
    if (exec !== undefined) return { parts, member, exec };
    const text = `${member.member}: its order does not say by which commands its kind ${member.spec.kind} is asked`;
    throw new LeafwardError('invalid', text);
  };
  const soon = (): AbortSignal => AbortSignal.timeout(ROLE_MS);
  return {
    kind: 'exec',
    observe: async (member, signal) => {
      try {
        return await observe(talkTo(member), slowFacts, signal);
      } catch (error) {
        return { answered: false, error: parts.redact(textOf(error)) };
      }
    },
    readStoredRole: async (member) => readStoredRole(talkTo(member), soon()),
    writeRole: async (member, wanted) => writeRole(talkTo(member), wanted, soon()),
    writeRetired: async (member, upstreamUrl) => {
      const talk = talkTo(member);
      // Nobody knows where a kind's members could point without doing harm: the marker alone keeps it from starting.
      if (upstreamUrl === undefined || !has(talk, 'setUpstream')) return;
      await writeRole(talk, { role: 'mirror', upstreamUrl }, soon());
    },
    backupRoom: async (member, signal) => backupRoom(talkTo(member), signal),
    backup: async (member, options, signal) => {
      if (backingUp.has(member.member)) throw busy(member);
      backingUp.add(member.member);
      try {
        return await backUp(talkTo(member), options, signal);
      } finally {
        backingUp.delete(member.member);
      }
    },
    promote: async (member, options, signal) => promote(talkTo(member), options, signal),
    probeHistory: async (member, offset, signal) => probeHistory(talkTo(member), offset, signal),
    probeLeader: async (member, options, signal) => probeLeader(talkTo(member), options, signal),
    migrationIn,
    abilities,
    seed: async (member, options, signal) => seed(talkTo(member), options, signal),
    repoint: async (member, upstreamUrl, signal) => {
      await act(talkTo(member), 'repoint', { fill: { upstreamUrl } }, signal);
    },
    stepDown: async (member, options, signal) => {
      const talk = talkTo(member);
      return stepDown(talk, () => askPosition(talk, 'position', {}, signal), options, signal);
    },
    storedPosition: async (member, signal) =>
      askPosition(talkTo(member), 'storedPosition', {}, signal),
    restore: async (member, options, signal) => restore(talkTo(member), options, signal),
    fromBackup: {
      // What a database has of its own is in its container's spec and in its configuration, not in its data.
      keepOwn: async (member) => refuseFromBackup(talkTo(member)),
      fill: async (member, options, signal) => restoreAsMirror(talkTo(member), options, signal),
    },
    care: execCare(talkTo),
    beforeStop: async (member, signal) => {
      const talk = talkTo(member);
      if (has(talk, 'stop')) await act(talk, 'stop', {}, signal);
    },
    test: async (member, signal) => testCommands(talkTo(member), signal),
    forget: (member) => slowFacts.forget(member),
  };
}

function abilities({ exec }: EngineMember): EngineAbilities {
  const able = (name: 'seed' | 'repoint' | 'storedPosition'): boolean =>
    exec !== undefined && has({ exec }, name);
  return {
    seeds: able('seed'),
    repoints: able('repoint'),
    storesPosition: able('storedPosition'),
  };
}

/** A line of the member's log; one expression that runs away says nothing. */
function migrationIn(line: string, { exec }: EngineMember): 'running' | 'done' | undefined {
  const matches = (expression: string | undefined): boolean => {
    try {
      return expression !== undefined && matchIn(line, expression) !== undefined;
    } catch {
      return false;
    }
  };
  if (matches(exec?.migrationDone)) return 'done';
  return matches(exec?.migrationRunning) ? 'running' : undefined;
}

function busy({ member }: EngineMember): LeafwardError {
  return new LeafwardError(
    'already-exists',
    `back up ${member}: another backup of it runs; wait for it`,
  );
}

function textOf(error: unknown): string {
  if (isAbort(error)) return 'it gave no answer in the time that it had';
  return messageOf(error);
}
