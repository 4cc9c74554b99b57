// Which versions guard themselves against a leader that is newer: they stop replicating and take no writes until their
// own update. Only they may mirror a newer leader for a while (I3's one exception). Pure.
import { isOlder } from './versions.js';

/** Synapse from here on; older ones replicate what they do not understand. */
const SINCE: Readonly<Record<string, string>> = { synapse: '2.165.0' };

/** False where the version is not known. */
export const guardsItself = (kind: string, version: string | undefined): boolean =>
  SINCE[kind] !== undefined && version !== undefined && !isOlder(version, SINCE[kind]);

export const guardedSince = (kind: string): string | undefined => SINCE[kind];
