// What both lives of an agent that is killed in a backup agree on: the member, its places, the request.
import { join } from 'node:path';
import type { MemberIntent, Request } from '@leafward/shared/gen/domain.js';
import { cellIntent } from './agent-stage.js';

export interface BackupStory {
  readonly directory: string;
  readonly image: { readonly reference: string; readonly digest: string };
}

export const MEMBER = '00.cortex';

export function storyOf({ directory, image }: BackupStory): {
  readonly member: MemberIntent;
  readonly stateDirectory: string;
  readonly backups: string;
} {
  const storage = join(directory, 'storage');
  const member = cellIntent({ member: MEMBER, storage, image });
  return {
    member,
    stateDirectory: join(directory, 'state'),
    backups: join(storage, 'backups'),
  };
}

export const backupRequest = (name: string): Request => ({
  ...{ kind: 'run-backup', name, id: `backup-${name}`, epoch: 1, member: MEMBER, term: 1 },
  expiresAt: Date.now() + 120_000,
});
