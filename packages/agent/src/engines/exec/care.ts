// What a kind's own commands do to a stopped member to keep it healthy.
import { mkdir } from 'node:fs/promises';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Care } from '../care.js';
import type { EngineMember } from '../engine.js';
import { giveToOwner } from './files.js';
import { throttled } from './progress.js';
import { act, has, type Talk } from './run-command.js';
import { seenPath } from './seen-path.js';

export function execCare(talkTo: (member: EngineMember) => Talk): Care {
  return {
    compact: async (member, { onProgress }, signal) => {
      const talk = able(talkTo(member), 'optimize');
      await act(talk, 'optimize', { onLine: throttled(talk, onProgress) }, signal);
      return 'its command optimize succeeded';
    },
    coldBackup: async (member, { path, onProgress }, signal) => {
      const talk = able(talkTo(member), 'coldBackup');
      const { storage } = member.spec;
      const made = await mkdir(path, { recursive: true, mode: 0o700 });
      if (made !== undefined) await giveToOwner(path, storage);
      const fill = { directory: { host: path, member: seenPath(member.spec, path) } };
      await act(talk, 'coldBackup', { fill, onLine: throttled(talk, onProgress) }, signal);
    },
  };
}

function able(talk: Talk, command: 'optimize' | 'coldBackup'): Talk {
  if (has(talk, command)) return talk;
  throw new LeafwardError(
    'refused',
    `${command} ${talk.member.member}: its kind has no command ${command}`,
  );
}
