// All benchmarks, in the order in which they run.
import { agentAtRest } from './agent-at-rest.js';
import { backups } from './backups.js';
import { backupWork } from './backup-work.js';
import { failover } from './failover.js';
import { fdatasync } from './fdatasync-row.js';
import type { Benchmark } from './harness.js';
import { planning } from './planning.js';
import { promotionPause } from './promotion-pause.js';
import { statusLatency } from './status-latency.js';
import { telepathPoll } from './telepath-poll.js';
import { thousandAgents } from './thousand-agents.js';
import { updateOverhead } from './update-overhead.js';

export const benchmarks: readonly Benchmark[] = [
  agentAtRest,
  fdatasync,
  telepathPoll,
  statusLatency,
  thousandAgents,
  planning,
  updateOverhead,
  promotionPause,
  failover,
  backups,
  backupWork,
];
