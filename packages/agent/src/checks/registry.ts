// Every check, in the order in which findings are shown. A new check is one file and one line here.
import { addressTranslation } from './address-translation.js';
import { backupAccess } from './backup-access.js';
import { backupCopies } from './backup-copies.js';
import { backupGone } from './backup-gone.js';
import { cellCertificates } from './cell-certificates.js';
import type { Check } from './check.js';
import { clockOffset } from './clock-offset.js';
import { deadman } from './deadman.js';
import { databaseConnections } from './database-connections.js';
import { diskLatency } from './disk-latency.js';
import { dockerEngine } from './docker-engine.js';
import { freeSpaceBackup } from './free-space-backup.js';
import { freeSpaceBoot } from './free-space-boot.js';
import { freeSpaceGuide } from './free-space-guide.js';
import { logForwarder } from './log-forwarder.js';
import { memorySize } from './memory-size.js';
import { nameResolution } from './name-resolution.js';
import { openFiles } from './open-files.js';
import { openMetrics } from './open-metrics.js';
import { portCollision } from './port-collision.js';
import { replicationPorts } from './replication-ports.js';
import { restic } from './restic.js';
import { restartPolicy } from './restart-policy.js';
import { storageMedium } from './storage-medium.js';
import { storageOwner } from './storage-owner.js';
import { swap } from './swap.js';
import { vmDirtyBackground } from './vm-dirty-background-ratio.js';
import { vmDirtyExpire } from './vm-dirty-expire-centisecs.js';
import { vmDirty } from './vm-dirty-ratio.js';
import { vmDirtyWriteback } from './vm-dirty-writeback-centisecs.js';
import { vmSwappiness } from './vm-swappiness.js';

export const allChecks: readonly Check[] = [
  restartPolicy,
  dockerEngine,
  clockOffset,
  deadman,
  storageMedium,
  diskLatency,
  freeSpaceBoot,
  freeSpaceBackup,
  freeSpaceGuide,
  backupAccess,
  backupGone,
  restic,
  backupCopies,
  storageOwner,
  cellCertificates,
  portCollision,
  replicationPorts,
  openMetrics,
  databaseConnections,
  nameResolution,
  addressTranslation,
  openFiles,
  memorySize,
  swap,
  vmSwappiness,
  vmDirtyExpire,
  vmDirtyWriteback,
  vmDirtyBackground,
  vmDirty,
  logForwarder,
];
