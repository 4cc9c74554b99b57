// What happens at the first start over older data, and the refusal to start over newer data.
import { setTimeout as delay } from 'node:timers/promises';
import { decode } from '@msgpack/msgpack';
import type { Cell } from './cell.js';
import { readDataState, writeDataState } from './cell-files.js';
import { say, type Settings } from './settings.js';

const MODEL_EVENT = 'layer:set:modelvers';

/** Runs before the socket listens. Written only when it is over, so that a cut one runs again. */
export async function migrateStorage(settings: Settings, leads: boolean): Promise<void> {
  const state = readDataState(settings.storage);
  if (state.desynced === true) {
    say('mirror desync: the log was trimmed beyond this mirror');
    process.exit(0);
  }
  const before = minorOf(state.version);
  if (before !== undefined && before > settings.minor) {
    say(`BadStorageVersion: data of ${state.version} and a cell of ${settings.version}`);
    process.exit(1);
  }
  if (before !== undefined && before < settings.minor) {
    say(`beginning storage migration -> ${settings.version}`);
    if (leads) say(`beginning model migration -> (0, 2, ${settings.minor})`);
    await delay(settings.migrateMs);
    say('...storage migration complete!');
    if (leads) say('...model migrations complete!');
  }
  writeDataState(settings.storage, { ...state, version: settings.version });
}

/** The leader's own, also at a promotion: one log entry with the model's new version. */
export async function migrateModel(cell: Cell): Promise<void> {
  if (modelVersion(cell) >= cell.settings.minor) return;
  await cell.append(MODEL_EVENT, [[0, 2, cell.settings.minor]]);
}

function modelVersion(cell: Cell): number {
  for (let offset = cell.log.next - 1; offset >= cell.log.first; offset--) {
    const entry = cell.log.read(offset);
    if (entry === undefined || !entry.includes(MODEL_EVENT)) continue;
    const [, [, event, args]] = decode(entry) as [number, [string, string, [number[]]]];
    if (event === MODEL_EVENT) return args[0][2] ?? 0;
  }
  return 0;
}

function minorOf(version: string | undefined): number | undefined {
  return version === undefined ? undefined : Number(version.split('.')[1]);
}
