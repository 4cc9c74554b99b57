// Whether one more backup fits: as many bytes as the data has, the guide's rule that data take half of their volume at
// most. What a kind's own command says counts, else the blocks that its storage takes.
import { statfs } from 'node:fs/promises';
import { backupDirectoryOf, dataBytesOf, nearestExisting } from '../../backups/place.js';
import type { BackupRoom } from '../engine.js';
import { bytesOf } from './answer.js';
import { askIfAble } from './ask.js';
import type { Talk } from './run-command.js';

export async function backupRoom(talk: Talk, signal: AbortSignal): Promise<BackupRoom> {
  const { spec } = talk.member;
  const volume = await statfs(await nearestExisting(backupDirectoryOf(spec)));
  const freeBytes = volume.bavail * volume.bsize;
  const told = await askIfAble(talk, 'dataSize', bytesOf, {}, signal);
  const needBytes = told ?? (await dataBytesOf(spec, signal));
  const source = told === undefined ? 'in the storage' : 'by its command dataSize';
  const rule = `${needBytes} bytes of data ${source} once more (the guide's 50 % rule)`;
  return { needBytes, freeBytes, rule };
}
