// What a simulated agent finds around it. Each simulated process has its own copy of this module.
import type { Engine } from '@leafward/agent/engines/engine.js';
import type { Dialled, DialEvents } from '@leafward/agent/link/dial.js';
import type { Runtime } from '@leafward/agent/runtimes/runtime.js';
import type { JournalRecord } from '@leafward/agent/journal.js';
import type { Backup, HostFact } from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';

export interface AgentMachine {
  readonly host: string;
  readonly fleet: string;
  readonly stateDirectory: string;
  readonly bootId: string;
  readonly log: Logger;
  readonly runtime: Runtime;
  readonly engine: Engine;
  /** Backups that lie on this host's disks. */
  readonly backups: () => readonly Backup[];
  readonly addBackup: (backup: Backup) => void;
  readonly hostFact: () => HostFact;
  readonly dial: (events: DialEvents) => Dialled;
  /** A record is on the agent's disk. */
  readonly onRecord: (record: JournalRecord) => void;
}

let current: AgentMachine | undefined;

export function setMachine(machine: AgentMachine): void {
  current = machine;
}

export function machine(): AgentMachine {
  if (current === undefined) throw new Error('this process was given no machine');
  return current;
}
