// What a kind of request is to others: whether it may be done twice, what it excludes, what it works on. Pure.
import type { Request } from '@leafward/shared/gen/domain.js';

/** Acts that may be done twice without harm: they change nothing, or end in the same state. */
export const REPEATABLE: ReadonlySet<Request['kind']> = new Set([
  'resolve-image',
  'pull-image',
  'probe-history',
  'check-host',
  'test-engine',
  'probe-leader',
  'verify-backup',
  'drill-backup',
  'copy-backup',
  'fetch-backup',
  'check-copies',
  'list-copies',
  'prune-backups',
  'prune-copies',
  'send-backup',
  'receive-backup',
  'look-at-container',
  'install-https',
  'migrate-storage',
  'sync-from-source',
]);
/**
 * Acts on a member that exclude each other (I10). Not repeated after a crash: a leader that steps down long after its
 * hand-over was given up is one that nobody wants stopped.
 */
export const EXCLUSIVE: ReadonlySet<Request['kind']> = new Set([
  'run-backup',
  'promote',
  'step-down',
  'restore-backup',
  'trim-log',
  'optimize-storage',
  'cold-backup',
  'take-snapshot',
  'restart-member',
  'migrate-storage',
  'sync-from-source',
]);

/** It works on the storage of a member that is stopped, and stays so meanwhile. */
export const wantsRest = (request: Request): boolean =>
  request.kind === 'restore-backup' ||
  request.kind === 'cold-backup' ||
  request.kind === 'migrate-storage' ||
  (request.kind === 'optimize-storage' && request.way !== 'clear');
