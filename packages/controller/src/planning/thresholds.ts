// Every number that a decision depends on, with how it was chosen. Milliseconds and offsets.

/** A fact older than this says nothing about now: twelve idle reports, a third of the shortest wait on silence. */
export const FRESH_MS = 60_000;
/** After a controller's start agents are on their way back: silence means nothing yet. Reconnects take 1–5 s. */
export const START_GRACE_MS = 15_000;
/** Offsets that a mirror replays well within a second: a graceful promotion pauses writes while it does. */
export const LAG_OFFSETS = 1000;
/** Log sequence numbers count bytes: one segment of a write-ahead log, which a mirror applies within a second. */
export const LAG_BYTES = 16 * 2 ** 20;
/** Facts of two hosts are not of one instant: a busy service writes a whole such lag in this time. */
export const LAG_MS = 1000;

/** Until a begin that is not safe is given up and the operation pauses. */
export const BEGIN_PATIENCE_MS = 15 * 60_000;
/** A host that is rebooted is back within this; then an operator should look. */
export const SILENT_HOST_MS = 15 * 60_000;
/** An agent takes an intent within one exchange; this allows for a reconnect. */
export const ACCEPT_MS = 60_000;
/** A refusal of an agent that stays over several reports is meant. */
export const REFUSAL_MS = 15_000;
/** Images are gigabytes and registries far away. */
export const PULL_MS = 60 * 60_000;
/** A live backup of a big service; its own progress is shown meanwhile. */
export const BACKUP_MS = 6 * 3_600_000;
/** The engine's own limit for the mirror to catch up in a graceful promotion (30 s), doubled. */
export const PROMOTE_MS = 60_000;
/** A leader refuses writes from here on: longer would be an outage of its own. */
export const STEP_DOWN_MS = 30_000;
/** A whole copy of the data over a slow line: what the commands themselves have by default. */
export const SEED_MS = 12 * 3_600_000;
export const RESTORE_MS = 12 * 3_600_000;
/** A backup to another host, over a slow line, and read again there. */
export const SEND_MS = 12 * 3_600_000;
/** A freeze waits for the writes that are under way: the services' own default for it. */
export const FREEZE_MS = 30_000;
/** Mirrors that are caught up reach a cut at once; the services' own default is as long. */
export const CATCH_CUT_MS = 60_000;
/** Past a request's own deadline its outcome must be told within this. */
export const OUTCOME_MS = 30_000;
/** Requests that never arrived are not begun after this. */
export const REQUEST_EXPIRES_MS = 10 * 60_000;
/** Candidates that stay silent this long after the fence are left out: every second is an outage. */
export const CANDIDATE_MS = 10_000;
/** Orphans are followed this long; a silent host's intent waits for it. */
export const REPOINT_SILENT_MS = 30_000;
/** A service refuses to boot below this share of free space (Synapse ≥ 2.119, limit:disk:free). */
export const BOOT_FREE_SHARE = 0.05;
/** Services take at most so much of their volume, or a backup does not fit beside them (devops guide). */
export const GUIDE_DATA_SHARE = 0.5;
/** A rule that breaks within this is worth a look: a volume is made larger, or data moved, within days. */
export const SPACE_WARNING_MS = 14 * 86_400_000;
/** Within a weekend. */
export const SPACE_CRITICAL_MS = 3 * 86_400_000;
/** A disk with less than this, or this share of it if that is less, takes the next writes of no service. */
export const FULL_FREE_BYTES = 64 * 2 ** 20;
export const FULL_FREE_SHARE = 0.01;

/** Data change, and so does what a migration has to do with them. */
export const REHEARSAL_COUNTS_MS = 30 * 86_400_000;

/** Between two comparisons of leader and mirrors: two index lookups each, and a difference is days old when it is found by a person. */
export const COMPARE_EVERY_MS = 5 * 60_000;

/** A registry that is restarted is back within seconds, one that is updated within minutes. */
export const PROVISION_MS = 10 * 60_000;
/** A leader registers within a second of its start, and everybody within four of the registry's: doubled. */
export const REGISTERS_ITSELF_MS = 8_000;
/** The registry's restart, everybody's registration and two reports. */
export const REALIAS_MS = 2 * 60_000;

/** A failover that acts alone decides nothing before: agents reconnect, and report twice. */
export const SETTLE_MS = 30_000;
/** A death is of now: a leader's agent reports at least this often, also when the lease is long. */
export const DEATH_FRESH_MS = 10_000;
/** A leader on the same network answers a hello in milliseconds; a host that is off costs all of it. */
export const PROBE_TIMEOUT_MS = 2000;
/** The question's way to the witness and the answer's way back, beside the probe itself. */
export const PROBE_SETTLE_MS = 5000;
/** Older answers say nothing about now. Counted from the question, so they are younger than that. */
export const PROBE_COUNTS_MS = 10_000;
/** Between two questions to a leader that answers, or that nobody could ask. */
export const PROBE_AGAIN_MS = { least: 5000, most: 30_000 };
/** A service that fails again within this has a cause that no failover cures. */
export const PROVEN_WELL_MS = 600_000;
