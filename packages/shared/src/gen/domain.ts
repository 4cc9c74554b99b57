// Made by scripts/generate-domain.mjs from proto/leafward/v1; do not edit.

export interface AgentServiceRenewCertificateRequest {
  readonly csrPem: string;
}

export interface AgentServiceRenewCertificateResponse {
  readonly certificatePem: string;
  readonly caPem: string;
}

export interface Hello {
  readonly host: string;
  readonly agentVersion: string;
  readonly bootId: string;
  readonly generation: number;
  readonly epoch: number;
  readonly clockMs: number;
  readonly newestEpoch?: number | undefined;
}

export interface Report {
  readonly sequence: number;
  readonly sentAt: number;
  readonly generation: number;
  readonly host?: HostFact | undefined;
  readonly members: readonly MemberFact[];
  readonly findings?: Findings | undefined;
  readonly backups?: Backups | undefined;
  readonly outcomes: readonly Outcome[];
  readonly refusedOrders: number;
  readonly memory?: Memory | undefined;
  readonly duties?: Duties | undefined;
}

export interface Duties {
  readonly duties: readonly DutyFact[];
}

export interface Memory {
  readonly order?: HostIntent | undefined;
  readonly terms: Readonly<Record<string, number>>;
  readonly promotions: Readonly<Record<string, number>>;
  readonly storages: readonly StorageMemory[];
  readonly openRequests: readonly string[];
}

export interface StorageMemory {
  readonly storage: string;
  readonly member: string;
  readonly retirement?: RetirementMemory | undefined;
  readonly filling?: string | undefined;
}

export interface RetirementMemory {
  readonly service: string;
  readonly term: number;
  readonly at: number;
  readonly reason: string;
}

export interface Findings {
  readonly findings: readonly Finding[];
  readonly certificates?: CellCertificates | undefined;
}

export interface Backups {
  readonly backups: readonly Backup[];
}

export type SessionRequest =
  | ({ readonly kind: 'hello' } & Hello)
  | ({ readonly kind: 'report' } & Report)
  | ({ readonly kind: 'intent-answer' } & IntentAnswer);

export interface IntentAnswer {
  readonly generation: number;
  readonly accepted: boolean;
  readonly reason?: string | undefined;
}

export interface Welcome {
  readonly epoch: number;
  readonly clockMs: number;
  readonly reportEveryMs: number;
  readonly rebuilding?: boolean | undefined;
}

export interface IntentOrder {
  readonly intent: HostIntent;
}

export interface RequestOrder {
  readonly request: Request;
}

export interface Permit {
  readonly service: string;
  readonly member: string;
  readonly term: number;
  readonly validMs: number;
  readonly epoch?: number | undefined;
}

export interface ReportAnswer {
  readonly sequence: number;
  readonly permits: readonly Permit[];
  readonly settled: readonly string[];
  readonly clockMs: number;
  readonly reportEveryMs: number;
  readonly services?: ServiceWords | undefined;
  readonly histories?: HistoryWishes | undefined;
}

export interface HistoryWishes {
  readonly wishes: readonly HistoryWish[];
}

export interface HistoryWish {
  readonly member: string;
  readonly offsets: readonly number[];
}

export interface ServiceWords {
  readonly services: readonly ServiceWord[];
}

export interface ServiceWord {
  readonly service: string;
  readonly newestBackupAt?: number | undefined;
  readonly operation?: string | undefined;
  readonly databaseBackup?: string | undefined;
}

export interface Reconnect {
  readonly reason: string;
  readonly afterMs: number;
}

export interface Pace {
  readonly reportEveryMs: number;
}

export interface SecretValue {
  readonly name: string;
  readonly version: number;
  readonly plaintext: string;
}

export type SessionResponse =
  | ({ readonly kind: 'welcome' } & Welcome)
  | ({ readonly kind: 'intent' } & IntentOrder)
  | ({ readonly kind: 'request' } & RequestOrder)
  | ({ readonly kind: 'report-answer' } & ReportAnswer)
  | ({ readonly kind: 'reconnect' } & Reconnect)
  | ({ readonly kind: 'pace' } & Pace)
  | ({ readonly kind: 'secret' } & SecretValue)
  | ({ readonly kind: 'logs-wish' } & LogsWish);

export interface AgentService {
  readonly session: {
    readonly kind: 'bidi';
    readonly request: SessionRequest;
    readonly response: SessionResponse;
  };
  readonly renewCertificate: {
    readonly kind: 'unary';
    readonly request: AgentServiceRenewCertificateRequest;
    readonly response: AgentServiceRenewCertificateResponse;
  };
}

export interface CellRule {
  readonly allow: boolean;
  readonly path: readonly string[];
}

export interface CellGate {
  readonly iden: string;
  readonly admin: boolean;
  readonly rules: readonly CellRule[];
}

export interface CellUser {
  readonly name: string;
  readonly iden: string;
  readonly admin: boolean;
  readonly locked: boolean;
  readonly archived: boolean;
  readonly email?: string | undefined;
  readonly roles: readonly string[];
  readonly rules: readonly CellRule[];
  readonly gates: readonly CellGate[];
}

export interface CellRole {
  readonly name: string;
  readonly iden: string;
  readonly rules: readonly CellRule[];
}

export interface CellPeople {
  readonly users: readonly CellUser[];
  readonly roles: readonly CellRole[];
  readonly leftOut: number;
  readonly changes: readonly string[];
}

export interface CellListUsers {
  readonly name?: string | undefined;
}

export interface CellListRoles {}

export interface CellAddUser {
  readonly name: string;
  readonly admin: boolean;
  readonly email?: string | undefined;
  readonly roles: readonly string[];
  readonly rules: readonly CellRule[];
}

export interface CellGrant {
  readonly name: string;
  readonly admin: boolean;
  readonly roles: readonly string[];
  readonly rules: readonly CellRule[];
}

export interface CellRevoke {
  readonly name: string;
  readonly admin: boolean;
  readonly roles: readonly string[];
  readonly rules: readonly CellRule[];
}

export interface CellLockUser {
  readonly name: string;
  readonly locked: boolean;
}

export interface CellSetPassword {
  readonly name: string;
}

export interface CellRemoveUser {
  readonly name: string;
}

export interface CellEnrollUser {
  readonly name: string;
  readonly again: boolean;
}

export interface CellAddRole {
  readonly name: string;
  readonly rules: readonly CellRule[];
}

export interface CellGrantRole {
  readonly name: string;
  readonly rules: readonly CellRule[];
}

export interface CellRevokeRole {
  readonly name: string;
  readonly rules: readonly CellRule[];
}

export interface CellRemoveRole {
  readonly name: string;
}

export type CellAct =
  | ({ readonly kind: 'list-users' } & CellListUsers)
  | ({ readonly kind: 'list-roles' } & CellListRoles)
  | ({ readonly kind: 'add-user' } & CellAddUser)
  | ({ readonly kind: 'grant-user' } & CellGrant)
  | ({ readonly kind: 'revoke-user' } & CellRevoke)
  | ({ readonly kind: 'lock-user' } & CellLockUser)
  | ({ readonly kind: 'set-password' } & CellSetPassword)
  | ({ readonly kind: 'remove-user' } & CellRemoveUser)
  | ({ readonly kind: 'enroll-user' } & CellEnrollUser)
  | ({ readonly kind: 'add-role' } & CellAddRole)
  | ({ readonly kind: 'grant-role' } & CellGrantRole)
  | ({ readonly kind: 'revoke-role' } & CellRevokeRole)
  | ({ readonly kind: 'remove-role' } & CellRemoveRole);

export interface ActOnCell {
  readonly act: CellAct;
}

export interface InstallHttps {
  readonly certificatePem: string;
}

export interface HttpsInstalled {
  readonly subject: string;
  readonly expiresAt: number;
  readonly reloaded: boolean;
  readonly reason?: string | undefined;
}

export interface CellCertificate {
  readonly member: string;
  readonly service: string;
  readonly file: string;
  readonly subject: string;
  readonly expiresAt: number;
}

export interface CellCertificates {
  readonly certificates: readonly CellCertificate[];
}

export interface EnrollRequest {
  readonly token: string;
  readonly csrPem: string;
  readonly name: string;
}

export interface EnrollResponse {
  readonly certificatePem: string;
  readonly caPem: string;
  readonly fleet: string;
  readonly name: string;
  readonly address: string;
  readonly role: string;
}

export interface RenewExpiredRequest {
  readonly certificatePem: string;
  readonly csrPem: string;
  readonly signedAt: number;
  readonly signature: Uint8Array;
}

export interface RenewExpiredResponse {
  readonly certificatePem: string;
  readonly caPem: string;
}

export interface EnrollmentService {
  readonly enroll: {
    readonly kind: 'unary';
    readonly request: EnrollRequest;
    readonly response: EnrollResponse;
  };
  readonly renewExpired: {
    readonly kind: 'unary';
    readonly request: RenewExpiredRequest;
    readonly response: RenewExpiredResponse;
  };
}

export type Role = 'leader' | 'mirror' | 'worker';

export type Runtime = 'docker' | 'process';

export type Run = 'running' | 'stopped' | 'retired' | 'removed';

export type BootPolicy = 'wait' | 'autonomous';

export type OnIsolation = 'keep' | 'stop';

export type Severity = 'ok' | 'info' | 'warning' | 'critical' | 'unknown';

export type CommandPlace = 'member' | 'host';

export type ResultFormat = 'plain' | 'json' | 'exit-code';

export type PositionFormat = 'number' | 'lsn';

export type Provisioning = 'needed' | 'offered' | 'begun' | 'broken' | 'done';

export type ContainerState =
  'absent' | 'created' | 'running' | 'paused' | 'restarting' | 'exited' | 'unknown';

export type OptimizeWay = 'on-boot' | 'swap' | 'clear';

export type OutcomeState = 'running' | 'succeeded' | 'failed' | 'unknown' | 'refused';

export type OperationState = 'running' | 'paused' | 'done' | 'aborted';

export type MoveState = 'pending' | 'begun' | 'done' | 'failed';

export interface Image {
  readonly reference: string;
  readonly digest: string;
  readonly version?: string | undefined;
  readonly sizeBytes?: number | undefined;
}

export interface Mount {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

export interface Limits {
  readonly memoryBytes?: number | undefined;
  readonly openFiles?: number | undefined;
}

export interface SecretReference {
  readonly name: string;
  readonly version: number;
}

export interface SecretVariables {
  readonly variables: Readonly<Record<string, SecretReference>>;
}

export interface MemberSpec {
  readonly kind: string;
  readonly runtime: Runtime;
  readonly image: Image;
  readonly command: readonly string[];
  readonly user?: string | undefined;
  readonly environment: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  readonly storage: string;
  readonly storageTarget: string;
  readonly networkMode: string;
  readonly limits: Limits;
  readonly ports: Readonly<Record<string, number>>;
  readonly stopGraceMs: number;
  readonly backupDirectory?: string | undefined;
  readonly engineOptions: Readonly<Record<string, string>>;
  readonly secretEnvironment?: SecretVariables | undefined;
  readonly hooks?: BootHooks | undefined;
}

export interface BootHooks {
  readonly preboot?: string | undefined;
  readonly concurrent?: string | undefined;
}

export interface Adoption {
  readonly container: string;
  readonly specDigest: string;
}

export interface CommandStep {
  readonly run: readonly string[];
  readonly place: CommandPlace;
  readonly deadlineMs: number;
  readonly maxOutputBytes: number;
}

export interface ResultWords {
  readonly words: Readonly<Record<string, string>>;
}

export interface ExecCommand {
  readonly steps: readonly CommandStep[];
  readonly of?: string | undefined;
  readonly format: ResultFormat;
  readonly field?: string | undefined;
  readonly match?: string | undefined;
  readonly words?: ResultWords | undefined;
}

export interface ExecEngine {
  readonly commands: Readonly<Record<string, ExecCommand>>;
  readonly positions: PositionFormat;
  readonly migrationRunning?: string | undefined;
  readonly migrationDone?: string | undefined;
}

export interface Reseed {
  readonly id: string;
  readonly wipe: boolean;
  readonly backup?: string | undefined;
}

export interface Upstream {
  readonly member: string;
  readonly url: string;
}

export interface Isolation {
  readonly onIsolation: OnIsolation;
  readonly leaseMs: number;
  readonly stopGraceMs?: number | undefined;
  readonly renewMs?: number | undefined;
  readonly clockMarginMs?: number | undefined;
}

export interface Provision {
  readonly service: string;
  readonly network: string;
  readonly name: string;
  readonly alias: string;
}

export interface MemberIntent {
  readonly member: string;
  readonly service: string;
  readonly spec: MemberSpec;
  readonly run: Run;
  readonly role: Role;
  readonly upstream?: Upstream | undefined;
  readonly term: number;
  readonly mirrored: boolean;
  readonly boot: BootPolicy;
  readonly isolation: Isolation;
  readonly exec?: ExecEngine | undefined;
  readonly reseed?: Reseed | undefined;
  readonly restartAfterMs?: number | undefined;
  readonly backupDuty?: BackupDuty | undefined;
  readonly adoption?: Adoption | undefined;
  readonly provision?: Provision | undefined;
}

export interface BackupDuty {
  readonly schedule?: string | undefined;
  readonly timeZone: string;
  readonly jitterMs: number;
  readonly rank: number;
  readonly takeoverMs: number;
  readonly window?: Window | undefined;
  readonly keep?: Keep | undefined;
  readonly drillSchedule?: string | undefined;
  readonly offsite?: Offsite | undefined;
  readonly leaderRank?: number | undefined;
}

export interface DutyFact {
  readonly member: string;
  readonly service: string;
  readonly nextAt?: number | undefined;
  readonly dueAt?: number | undefined;
  readonly doneAt?: number | undefined;
  readonly problem?: string | undefined;
  readonly code?: string | undefined;
  readonly failures: number;
  readonly nextDrillAt?: number | undefined;
}

export interface Window {
  readonly fromMinute: number;
  readonly toMinute: number;
}

export interface Keep {
  readonly last: number;
  readonly hourly: number;
  readonly daily: number;
  readonly weekly: number;
  readonly monthly: number;
  readonly minFreeBytes: number;
}

export interface Offsite {
  readonly repository: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly secretEnvironment?: SecretVariables | undefined;
  readonly each: boolean;
  readonly keep?: Keep | undefined;
}

export interface HostIntent {
  readonly host: string;
  readonly generation: number;
  readonly epoch: number;
  readonly members: readonly MemberIntent[];
}

export interface Evidence {
  readonly name: string;
  readonly value: string;
  readonly wanted?: string | undefined;
  readonly seenAt?: number | undefined;
}

export interface Wait {
  readonly code: string;
  readonly subject: string;
  readonly message: string;
  readonly since: number;
  readonly deadlineAt?: number | undefined;
  readonly unblock: string;
  readonly evidence: readonly Evidence[];
}

export interface Refusal {
  readonly code: string;
  readonly subject: string;
  readonly message: string;
  readonly unblock: string;
  readonly evidence: readonly Evidence[];
}

export interface ContainerFact {
  readonly state: ContainerState;
  readonly id?: string | undefined;
  readonly startedAt?: number | undefined;
  readonly exitCode?: number | undefined;
  readonly imageDigest?: string | undefined;
  readonly specDigest?: string | undefined;
  readonly restartPolicy?: string | undefined;
  readonly error?: string | undefined;
}

export interface EngineFact {
  readonly answered: boolean;
  readonly error?: string | undefined;
  readonly version?: string | undefined;
  readonly iden?: string | undefined;
  readonly runId?: string | undefined;
  readonly active?: boolean | undefined;
  readonly ready?: boolean | undefined;
  readonly uplink?: boolean | undefined;
  readonly readOnly?: boolean | undefined;
  readonly position?: number | undefined;
  readonly upstreamUrl?: string | undefined;
  readonly health?: string | undefined;
  readonly migrating?: string | undefined;
  readonly paused?: boolean | undefined;
  readonly registry?: Registry | undefined;
}

export interface Registry {
  readonly entries: readonly RegistryEntry[];
}

export interface RegistryEntry {
  readonly name: string;
  readonly run?: string | undefined;
  readonly iden?: string | undefined;
  readonly online: boolean;
}

export interface StorageFact {
  readonly dataBytes?: number | undefined;
  readonly freeBytes?: number | undefined;
  readonly totalBytes?: number | undefined;
  readonly markerTerm?: number | undefined;
  readonly retiredAtTerm?: number | undefined;
  readonly error?: string | undefined;
  readonly position?: number | undefined;
  readonly reseeded?: string | undefined;
  readonly largestDatabaseBytes?: number | undefined;
  readonly provisioning?: Provisioning | undefined;
}

export interface Death {
  readonly seenAt: number;
  readonly asked: boolean;
  readonly word: string;
}

export interface MemberFact {
  readonly member: string;
  readonly service: string;
  readonly seenAt: number;
  readonly container: ContainerFact;
  readonly engine: EngineFact;
  readonly storage: StorageFact;
  readonly term: number;
  readonly starts: number;
  readonly startsSinceRetired: number;
  readonly activity?: string | undefined;
  readonly waits: readonly Wait[];
  readonly refusals: readonly Refusal[];
  readonly permitLeftMs?: number | undefined;
  readonly death?: Death | undefined;
  readonly deprecations?: Deprecations | undefined;
  readonly adoption?: AdoptionFact | undefined;
  readonly history?: HistoryFact | undefined;
}

export interface HistoryFact {
  readonly entries: readonly HistoryEntry[];
}

export interface HistoryEntry {
  readonly offset: number;
  readonly sha256?: string | undefined;
  readonly readAt: number;
}

export interface AdoptionFact {
  readonly container: string;
  readonly differences: readonly FieldChange[];
}

export interface Finding {
  readonly check: string;
  readonly subject: string;
  readonly severity: Severity;
  readonly seen: string;
  readonly wanted: string;
  readonly why: string;
  readonly fix: string;
  readonly fixable: boolean;
  readonly seenAt: number;
  readonly source: string;
}

export interface HostFact {
  readonly seenAt: number;
  readonly bootId: string;
  readonly agentVersion: string;
  readonly agentStartedAt: number;
  readonly memoryTotalBytes: number;
  readonly memoryAvailableBytes: number;
  readonly load1: number;
  readonly cpus: number;
  readonly agentRssBytes: number;
  readonly agentCpuSeconds: number;
  readonly loopDelayP99Ms: number;
  readonly volumes: readonly VolumeFact[];
  readonly os: string;
  readonly kernel: string;
  readonly deadman?: DeadmanFact | undefined;
}

export interface DeadmanFact {
  readonly alive: boolean;
  readonly armed: number;
  readonly stops: number;
  readonly lastStopAt?: number | undefined;
  readonly lastMember?: string | undefined;
}

export interface VolumeFact {
  readonly path: string;
  readonly device: string;
  readonly fileSystem: string;
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly fdatasyncP50Ms?: number | undefined;
  readonly fdatasyncP99Ms?: number | undefined;
  readonly probedAt?: number | undefined;
  readonly writeAwaitMs?: number | undefined;
  readonly hungSince?: number | undefined;
}

export interface Verification {
  readonly at: number;
  readonly ok: boolean;
  readonly files: number;
  readonly bytes: number;
  readonly tookMs: number;
  readonly problems: readonly string[];
}

export interface Backup {
  readonly name: string;
  readonly service: string;
  readonly member: string;
  readonly host: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly files: number;
  readonly position?: number | undefined;
  readonly version?: string | undefined;
  readonly term: number;
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly manifestSha256: string;
  readonly iden?: string | undefined;
  readonly databaseBackup?: string | undefined;
  readonly verification?: Verification | undefined;
  readonly drill?: Drill | undefined;
  readonly copies?: OffsiteCopies | undefined;
  readonly scheduledFor?: number | undefined;
}

export interface Drill {
  readonly at: number;
  readonly ok: boolean;
  readonly image: Image;
  readonly version?: string | undefined;
  readonly position?: number | undefined;
  readonly tookMs: number;
  readonly copyMs: number;
  readonly migrationMs: number;
  readonly bytes: number;
  readonly problems: readonly string[];
}

export interface OffsiteCopies {
  readonly copies: readonly OffsiteCopy[];
}

export interface OffsiteCopy {
  readonly repository: string;
  readonly snapshot: string;
  readonly at: number;
  readonly tookMs: number;
  readonly addedBytes: number;
  readonly checkedAt?: number | undefined;
  readonly problem?: string | undefined;
}

export interface ResolveImage {
  readonly runtime: Runtime;
  readonly reference: string;
}

export interface PullImage {
  readonly runtime: Runtime;
  readonly image: Image;
}

export interface RunBackup {
  readonly name: string;
  readonly databaseBackup?: string | undefined;
  readonly scheduledFor?: number | undefined;
}

export interface Promote {
  readonly graceful: boolean;
  readonly timeoutMs: number;
}

export interface ProbeHistory {
  readonly offset: number;
}

export interface TuneHost {
  readonly checks: readonly string[];
  readonly undo: boolean;
  readonly dryRun: boolean;
}

export interface CheckHost {}

export interface StepDown {
  readonly timeoutMs: number;
}

export interface RestoreBackup {
  readonly backup: string;
  readonly wipe: boolean;
}

export interface TestEngine {
  readonly exec: ExecEngine;
}

export interface DrillBackup {
  readonly path: string;
  readonly image?: Image | undefined;
  readonly timeoutMs: number;
}

export interface CopyBackup {
  readonly path: string;
}

export interface FetchBackup {
  readonly backup: string;
  readonly snapshot: string;
}

export interface ListCopies {}

export interface CheckCopies {
  readonly dataPercent: number;
}

export interface SendBackup {
  readonly path: string;
  readonly transfer: string;
  readonly bytesPerSecond?: number | undefined;
}

export interface ReceiveBackup {
  readonly backup: string;
  readonly transfer: string;
  readonly fromHost: string;
  readonly bytesPerSecond?: number | undefined;
}

export interface PruneBackups {
  readonly dryRun: boolean;
}

export interface PruneCopies {
  readonly dryRun: boolean;
}

export interface ProbeLeader {
  readonly url: string;
  readonly timeoutMs: number;
}

export interface LookAtContainer {
  readonly wanted: MemberIntent;
}

export interface ContainerLook {
  readonly container: string;
  readonly state: ContainerState;
  readonly startedAt?: number | undefined;
  readonly image: Image;
  readonly restartPolicy: string;
  readonly holdsStorage: boolean;
  readonly differences: readonly FieldChange[];
  readonly active?: boolean | undefined;
  readonly iden?: string | undefined;
  readonly upstreamUrl?: string | undefined;
  readonly problem?: string | undefined;
}

export interface TrimLog {
  readonly consumers: readonly string[];
  readonly timeoutMs: number;
}

export interface OptimizeStorage {
  readonly way: OptimizeWay;
}

export interface ColdBackup {
  readonly name: string;
  readonly position?: number | undefined;
  readonly version?: string | undefined;
  readonly iden?: string | undefined;
}

export interface TakeSnapshot {
  readonly command: readonly string[];
  readonly timeoutMs: number;
  readonly freeze: boolean;
}

export interface SnapshotTaken {
  readonly output: string;
  readonly frozenMs?: number | undefined;
  readonly tookMs: number;
}

export interface ProvisionService {
  readonly network: string;
  readonly name: string;
  readonly mirror?: string | undefined;
  readonly telepathPort?: number | undefined;
  readonly httpsPort?: number | undefined;
  readonly iden?: string | undefined;
}

export interface TakeProvision {}

export interface RestartMember {
  readonly runId: string;
}

export interface MigrateStorage {
  readonly source: string;
  readonly image?: string | undefined;
  readonly command: readonly string[];
  readonly resume: readonly string[];
  readonly checkpoints: string;
  readonly errors: string;
  readonly timeoutMs: number;
  readonly acceptErrors: boolean;
}

export interface SyncFromSource {
  readonly command: readonly string[];
  readonly caughtUp: string;
  readonly timeoutMs: number;
  readonly image?: string | undefined;
}

interface RequestCommon {
  readonly id: string;
  readonly epoch: number;
  readonly expiresAt: number;
  readonly member: string;
  readonly term: number;
  readonly secret?: string | undefined;
  readonly secretFrom?: string | undefined;
}
export type Request =
  | ({ readonly kind: 'resolve-image' } & RequestCommon & ResolveImage)
  | ({ readonly kind: 'pull-image' } & RequestCommon & PullImage)
  | ({ readonly kind: 'run-backup' } & RequestCommon & RunBackup)
  | ({ readonly kind: 'promote' } & RequestCommon & Promote)
  | ({ readonly kind: 'probe-history' } & RequestCommon & ProbeHistory)
  | ({ readonly kind: 'tune-host' } & RequestCommon & TuneHost)
  | ({ readonly kind: 'check-host' } & RequestCommon & CheckHost)
  | ({ readonly kind: 'step-down' } & RequestCommon & StepDown)
  | ({ readonly kind: 'restore-backup' } & RequestCommon & RestoreBackup)
  | ({ readonly kind: 'test-engine' } & RequestCommon & TestEngine)
  | ({ readonly kind: 'probe-leader' } & RequestCommon & ProbeLeader)
  | ({ readonly kind: 'verify-backup' } & RequestCommon & VerifyBackup)
  | ({ readonly kind: 'drill-backup' } & RequestCommon & DrillBackup)
  | ({ readonly kind: 'copy-backup' } & RequestCommon & CopyBackup)
  | ({ readonly kind: 'fetch-backup' } & RequestCommon & FetchBackup)
  | ({ readonly kind: 'check-copies' } & RequestCommon & CheckCopies)
  | ({ readonly kind: 'prune-backups' } & RequestCommon & PruneBackups)
  | ({ readonly kind: 'list-copies' } & RequestCommon & ListCopies)
  | ({ readonly kind: 'send-backup' } & RequestCommon & SendBackup)
  | ({ readonly kind: 'receive-backup' } & RequestCommon & ReceiveBackup)
  | ({ readonly kind: 'prune-copies' } & RequestCommon & PruneCopies)
  | ({ readonly kind: 'look-at-container' } & RequestCommon & LookAtContainer)
  | ({ readonly kind: 'trim-log' } & RequestCommon & TrimLog)
  | ({ readonly kind: 'optimize-storage' } & RequestCommon & OptimizeStorage)
  | ({ readonly kind: 'cold-backup' } & RequestCommon & ColdBackup)
  | ({ readonly kind: 'take-snapshot' } & RequestCommon & TakeSnapshot)
  | ({ readonly kind: 'act-on-cell' } & RequestCommon & ActOnCell)
  | ({ readonly kind: 'install-https' } & RequestCommon & InstallHttps)
  | ({ readonly kind: 'provision-service' } & RequestCommon & ProvisionService)
  | ({ readonly kind: 'take-provision' } & RequestCommon & TakeProvision)
  | ({ readonly kind: 'restart-member' } & RequestCommon & RestartMember)
  | ({ readonly kind: 'migrate-storage' } & RequestCommon & MigrateStorage)
  | ({ readonly kind: 'sync-from-source' } & RequestCommon & SyncFromSource);

export interface HistoryProbe {
  readonly offset: number;
  readonly sha256: string;
}

export interface CommandAnswer {
  readonly command: string;
  readonly ok: boolean;
  readonly output: string;
  readonly value?: string | undefined;
  readonly error?: string | undefined;
  readonly tookMs: number;
}

export interface CommandAnswers {
  readonly answers: readonly CommandAnswer[];
}

export interface VerifyBackup {
  readonly path: string;
  readonly bytesPerSecond?: number | undefined;
}

export interface LeaderProbe {
  readonly answered: boolean;
  readonly said: string;
  readonly tookMs: number;
}

export interface TuneChange {
  readonly check: string;
  readonly name: string;
  readonly before: string;
  readonly after: string;
  readonly overriddenBy?: string | undefined;
  readonly file: string;
}

export interface Outcome {
  readonly requestId: string;
  readonly state: OutcomeState;
  readonly startedAt: number;
  readonly finishedAt?: number | undefined;
  readonly code?: string | undefined;
  readonly message?: string | undefined;
  readonly progress?: string | undefined;
  readonly image?: Image | undefined;
  readonly backup?: Backup | undefined;
  readonly history?: HistoryProbe | undefined;
  readonly changes: readonly TuneChange[];
  readonly position?: number | undefined;
  readonly answers?: CommandAnswers | undefined;
  readonly leaderProbe?: LeaderProbe | undefined;
  readonly rehearsal?: Drill | undefined;
  readonly verdicts?: KeepVerdicts | undefined;
  readonly copies?: CopiesFound | undefined;
  readonly secret?: string | undefined;
  readonly look?: ContainerLook | undefined;
  readonly snapshot?: SnapshotTaken | undefined;
  readonly people?: CellPeople | undefined;
  readonly https?: HttpsInstalled | undefined;
}

export interface CopiesFound {
  readonly backups: readonly Backup[];
}

export interface KeepVerdicts {
  readonly verdicts: readonly KeepVerdict[];
}

export interface KeepVerdict {
  readonly name: string;
  readonly path: string;
  readonly keeps: boolean;
  readonly reason: string;
  readonly sizeBytes: number;
}

export interface FieldChange {
  readonly path: string;
  readonly before: string;
  readonly after: string;
}

export interface PullMove {
  readonly hosts: readonly string[];
  readonly runtime: Runtime;
  readonly image: Image;
}

export interface PlaceMove {
  readonly host: string;
  readonly intent: MemberIntent;
}

export interface RecreateMove {
  readonly member: string;
  readonly host: string;
  readonly spec: MemberSpec;
  readonly changes: readonly FieldChange[];
  readonly fromVersion?: string | undefined;
}

export interface RemoveMove {
  readonly member: string;
  readonly host: string;
}

export interface HandOverMove {
  readonly from: string;
  readonly to: string;
  readonly term: number;
  readonly byStopping?: boolean | undefined;
  readonly leavesOlder?: boolean | undefined;
}

export interface FenceMove {
  readonly member: string;
  readonly host: string;
  readonly term: number;
  readonly leaderIsOff?: string | undefined;
  readonly untilFencedMs?: number | undefined;
  readonly atOnce?: boolean | undefined;
}

export interface ChooseMove {
  readonly candidates: readonly string[];
  readonly expected: string;
}

export interface ForcePromoteMove {
  readonly term: number;
}

export interface RepointMove {
  readonly members: readonly string[];
}

export interface BackUpMove {
  readonly member: string;
  readonly host: string;
  readonly name: string;
  readonly databaseBackup?: string | undefined;
}

export interface HaltMove {
  readonly members: readonly string[];
}

export interface ReseedMove {
  readonly member: string;
  readonly host: string;
  readonly upstream: string;
  readonly reseed: Reseed;
  readonly backupPosition?: number | undefined;
}

export interface RestoreMove {
  readonly member: string;
  readonly host: string;
  readonly backup: string;
  readonly term: number;
  readonly wipe: boolean;
  readonly image?: Image | undefined;
}

export interface SendMove {
  readonly backup: string;
  readonly fromHost: string;
  readonly toHost: string;
  readonly fromMember: string;
  readonly toMember: string;
}

export interface TrimMove {
  readonly member: string;
  readonly host: string;
  readonly mirrors: readonly string[];
}

export interface OptimizeMove {
  readonly member: string;
  readonly host: string;
  readonly way: OptimizeWay;
}

export interface ColdBackUpMove {
  readonly member: string;
  readonly host: string;
  readonly name: string;
}

export interface SnapshotMove {
  readonly member: string;
  readonly host: string;
  readonly command: readonly string[];
  readonly timeoutMs: number;
  readonly freeze: boolean;
}

export interface RealiasMove {
  readonly registry: string;
  readonly alias: string;
  readonly network: string;
}

export interface MigrateMove {
  readonly member: string;
  readonly host: string;
  readonly term: number;
  readonly migration: MigrateStorage;
}

export interface SyncMove {
  readonly member: string;
  readonly host: string;
  readonly sync: SyncFromSource;
}

interface MoveCommon {
  readonly id: string;
  readonly service: string;
  readonly cause: string;
  readonly expectedMs?: number | undefined;
}
export type Move =
  | ({ readonly kind: 'pull' } & MoveCommon & PullMove)
  | ({ readonly kind: 'place' } & MoveCommon & PlaceMove)
  | ({ readonly kind: 'recreate' } & MoveCommon & RecreateMove)
  | ({ readonly kind: 'remove' } & MoveCommon & RemoveMove)
  | ({ readonly kind: 'hand-over' } & MoveCommon & HandOverMove)
  | ({ readonly kind: 'fence' } & MoveCommon & FenceMove)
  | ({ readonly kind: 'choose' } & MoveCommon & ChooseMove)
  | ({ readonly kind: 'force-promote' } & MoveCommon & ForcePromoteMove)
  | ({ readonly kind: 'repoint' } & MoveCommon & RepointMove)
  | ({ readonly kind: 'back-up' } & MoveCommon & BackUpMove)
  | ({ readonly kind: 'halt' } & MoveCommon & HaltMove)
  | ({ readonly kind: 'reseed' } & MoveCommon & ReseedMove)
  | ({ readonly kind: 'restore' } & MoveCommon & RestoreMove)
  | ({ readonly kind: 'send' } & MoveCommon & SendMove)
  | ({ readonly kind: 'trim' } & MoveCommon & TrimMove)
  | ({ readonly kind: 'optimize' } & MoveCommon & OptimizeMove)
  | ({ readonly kind: 'cold-back-up' } & MoveCommon & ColdBackUpMove)
  | ({ readonly kind: 'snapshot' } & MoveCommon & SnapshotMove)
  | ({ readonly kind: 'realias' } & MoveCommon & RealiasMove)
  | ({ readonly kind: 'migrate' } & MoveCommon & MigrateMove)
  | ({ readonly kind: 'sync' } & MoveCommon & SyncMove);

export interface Gate {
  readonly name: string;
  readonly passed: boolean;
  readonly message: string;
  readonly evidence: readonly Evidence[];
}

export interface DeployGoal {
  readonly manifest: string;
  readonly workerAlone?: string | undefined;
  readonly looks?: MemberLooks | undefined;
}

export interface MemberLooks {
  readonly looks: readonly MemberLook[];
}

export interface MemberLook {
  readonly member: string;
  readonly look: ContainerLook;
}

export interface UpdateGoal {
  readonly service: string;
  readonly image: string;
  readonly resolved?: Image | undefined;
  readonly options?: UpdateOptions | undefined;
}

export interface ServiceUpdate {
  readonly service: string;
  readonly image: string;
  readonly resolved?: Image | undefined;
}

export interface FleetUpdateGoal {
  readonly services: readonly string[];
  readonly tag: string;
  readonly updates: readonly ServiceUpdate[];
  readonly options?: UpdateOptions | undefined;
}

export interface PromoteGoal {
  readonly service: string;
  readonly to: string;
}

export interface FailoverGoal {
  readonly service: string;
  readonly to?: string | undefined;
  readonly leaderIsOff?: string | undefined;
  readonly atOnce?: boolean | undefined;
  readonly automatic?: string | undefined;
}

export interface BackupGoal {
  readonly service: string;
  readonly member?: string | undefined;
  readonly name: string;
  readonly cold?: boolean | undefined;
  readonly snapshot?: boolean | undefined;
}

export interface ReseedGoal {
  readonly service: string;
  readonly member: string;
  readonly wipe: boolean;
  readonly id: string;
  readonly backup?: string | undefined;
  readonly host?: string | undefined;
}

export interface RestoreGoal {
  readonly service: string;
  readonly backup: string;
  readonly wipe: boolean;
  readonly id: string;
  readonly host?: string | undefined;
  readonly member?: string | undefined;
  readonly image?: string | undefined;
  readonly resolved?: Image | undefined;
}

export interface OptimizeGoal {
  readonly service: string;
}

export interface TrimGoal {
  readonly service: string;
}

export interface MigrateGoal {
  readonly service: string;
  readonly acceptErrors?: boolean | undefined;
  readonly cutOver?: boolean | undefined;
}

export type Goal =
  | ({ readonly kind: 'deploy' } & DeployGoal)
  | ({ readonly kind: 'update' } & UpdateGoal)
  | ({ readonly kind: 'promote' } & PromoteGoal)
  | ({ readonly kind: 'failover' } & FailoverGoal)
  | ({ readonly kind: 'backup' } & BackupGoal)
  | ({ readonly kind: 'reseed' } & ReseedGoal)
  | ({ readonly kind: 'restore' } & RestoreGoal)
  | ({ readonly kind: 'fleet-update' } & FleetUpdateGoal)
  | ({ readonly kind: 'optimize' } & OptimizeGoal)
  | ({ readonly kind: 'trim' } & TrimGoal)
  | ({ readonly kind: 'migrate' } & MigrateGoal);

export interface Plan {
  readonly id: string;
  readonly goal: Goal;
  readonly madeAt: number;
  readonly moves: readonly Move[];
  readonly gates: readonly Gate[];
  readonly refusals: readonly Refusal[];
  readonly warnings: readonly string[];
  readonly unchanged: readonly string[];
  readonly expectedDowntimeMs?: number | undefined;
  readonly basis: string;
  readonly services: readonly string[];
  readonly outlooks?: Outlooks | undefined;
}

export interface MoveProgress {
  readonly state: MoveState;
  readonly attempt: number;
  readonly phase: number;
  readonly begunAt?: number | undefined;
  readonly endedAt?: number | undefined;
  readonly note?: string | undefined;
  readonly wait?: Wait | undefined;
  readonly runIdBefore?: string | undefined;
  readonly targetPosition?: number | undefined;
  readonly before?: EngineFact | undefined;
}

export interface Operation {
  readonly id: string;
  readonly planId: string;
  readonly goal: Goal;
  readonly state: OperationState;
  readonly services: readonly string[];
  readonly moves: readonly Move[];
  readonly progress: readonly MoveProgress[];
  readonly createdBy: string;
  readonly createdAt: number;
  readonly endedAt?: number | undefined;
  readonly reason?: string | undefined;
  readonly abortRequested: boolean;
  readonly chosen?: string | undefined;
  readonly chosenBecause?: string | undefined;
  readonly outlooks?: Outlooks | undefined;
}

export interface OperationEvent {
  readonly at: number;
  readonly operationId: string;
  readonly text: string;
}

export type LogLevel = 'debug' | 'info' | 'warning' | 'error' | 'critical';

export interface LogsWish {
  readonly id: string;
  readonly members: readonly string[];
  readonly since?: number | undefined;
  readonly lines: number;
  readonly follow: boolean;
  readonly level?: LogLevel | undefined;
  readonly records: boolean;
}

export interface LogLine {
  readonly member: string;
  readonly at?: number | undefined;
  readonly level?: LogLevel | undefined;
  readonly logger?: string | undefined;
  readonly message: string;
  readonly detail?: string | undefined;
  readonly record?: string | undefined;
}

export interface LogsJoin {
  readonly id: string;
}

export interface LogLines {
  readonly lines: readonly LogLine[];
}

export interface LogsSkipped {
  readonly member: string;
  readonly lines: number;
}

export interface LogsNote {
  readonly subject: string;
  readonly text: string;
  readonly again: readonly string[];
}

export interface LogsCaughtUp {}

export type LogsRequest =
  | ({ readonly kind: 'join' } & LogsJoin)
  | ({ readonly kind: 'lines' } & LogLines)
  | ({ readonly kind: 'skipped' } & LogsSkipped)
  | ({ readonly kind: 'note' } & LogsNote)
  | ({ readonly kind: 'caught-up' } & LogsCaughtUp);

export interface LogsResponse {}

export interface LogsService {
  readonly logs: {
    readonly kind: 'bidi';
    readonly request: LogsRequest;
    readonly response: LogsResponse;
  };
}

export type UserRole = 'viewer' | 'operator' | 'admin';

export type OperationControl = 'pause' | 'resume' | 'abort';

export type SpaceRule = 'backup' | 'half' | 'boot';

export type SpaceVerdict = 'broken' | 'breaks' | 'beyond' | 'unknown';

export interface MemberView {
  readonly member: string;
  readonly host: string;
  readonly role: Role;
  readonly upstream?: string | undefined;
  readonly depth: number;
  readonly run: Run;
  readonly state: string;
  readonly version?: string | undefined;
  readonly position?: number | undefined;
  readonly lag?: number | undefined;
  readonly ready?: boolean | undefined;
  readonly dataBytes?: number | undefined;
  readonly freeBytes?: number | undefined;
  readonly totalBytes?: number | undefined;
  readonly seenAt?: number | undefined;
  readonly problems: readonly string[];
  readonly starts: number;
  readonly startsSinceRetired: number;
}

export interface ServiceView {
  readonly service: string;
  readonly kind: string;
  readonly term: number;
  readonly members: readonly MemberView[];
  readonly lastBackup?: Backup | undefined;
  readonly problems: readonly string[];
  readonly operation?: string | undefined;
  readonly duties?: DutyViews | undefined;
}

export interface DutyViews {
  readonly duties: readonly DutyView[];
}

export interface DutyView {
  readonly duty: DutyFact;
  readonly host: string;
  readonly rank: number;
  readonly state: string;
  readonly backedUpAt?: number | undefined;
}

export interface HostView {
  readonly host: string;
  readonly connected: boolean;
  readonly lastSeenAt?: number | undefined;
  readonly agentVersion?: string | undefined;
  readonly clockOffsetMs?: number | undefined;
  readonly certificateExpiresAt?: number | undefined;
  readonly revoked: boolean;
  readonly warnings: number;
  readonly criticals: number;
  readonly problems: readonly string[];
  readonly fact?: HostFact | undefined;
}

export interface Status {
  readonly fleet: string;
  readonly now: number;
  readonly services: readonly ServiceView[];
  readonly hosts: readonly HostView[];
  readonly problems: readonly string[];
  readonly operations: readonly Operation[];
}

export interface GetStatusRequest {
  readonly service?: string | undefined;
}

export interface GetStatusResponse {
  readonly status: Status;
}

export interface WatchStatusRequest {
  readonly service?: string | undefined;
}

export interface WatchStatusResponse {
  readonly status: Status;
}

export interface ListHostsRequest {}

export interface ListHostsResponse {
  readonly hosts: readonly HostView[];
}

export interface InviteHostRequest {
  readonly name: string;
  readonly ttlMs: number;
}

export interface InviteHostResponse {
  readonly url: string;
  readonly expiresAt: number;
}

export interface RevokeHostRequest {
  readonly name: string;
  readonly reason: string;
}

export interface RevokeHostResponse {
  readonly connectionsEnded: number;
}

export interface UserView {
  readonly name: string;
  readonly role: UserRole;
  readonly enrolledAt: number;
  readonly revokedAt?: number | undefined;
  readonly certificateExpiresAt?: number | undefined;
}

export interface ListUsersRequest {}

export interface ListUsersResponse {
  readonly users: readonly UserView[];
}

export interface InviteUserRequest {
  readonly name: string;
  readonly role: UserRole;
  readonly ttlMs: number;
}

export interface InviteUserResponse {
  readonly url: string;
  readonly expiresAt: number;
}

export interface RevokeUserRequest {
  readonly name: string;
  readonly reason: string;
}

export interface RevokeUserResponse {
  readonly connectionsEnded: number;
}

export interface OperatorServiceRenewCertificateRequest {
  readonly csrPem: string;
}

export interface OperatorServiceRenewCertificateResponse {
  readonly certificatePem: string;
  readonly caPem: string;
}

export interface FindingView {
  readonly host: string;
  readonly finding: Finding;
  readonly waiver?: Waiver | undefined;
}

export interface GetFindingsRequest {
  readonly host?: string | undefined;
  readonly refresh: boolean;
}

export interface GetFindingsResponse {
  readonly findings: readonly FindingView[];
  readonly silent: readonly string[];
}

export interface TuneHostRequest {
  readonly host: string;
  readonly checks: readonly string[];
  readonly undo: boolean;
  readonly dryRun: boolean;
}

export interface TuneHostResponse {
  readonly outcome: Outcome;
}

export interface Waiver {
  readonly host: string;
  readonly check: string;
  readonly reason: string;
  readonly until: number;
  readonly madeBy: string;
  readonly madeAt: number;
}

export interface WaiveRequest {
  readonly host: string;
  readonly check: string;
  readonly reason: string;
  readonly until: number;
}

export interface WaiveResponse {
  readonly waiver: Waiver;
}

export interface EndWaiverRequest {
  readonly host: string;
  readonly check: string;
}

export interface EndWaiverResponse {}

export interface ListWaiversRequest {}

export interface ListWaiversResponse {
  readonly waivers: readonly Waiver[];
}

export interface MakePlanRequest {
  readonly goal: Goal;
}

export interface MakePlanResponse {
  readonly plan: Plan;
}

export interface GetPlanRequest {
  readonly id: string;
}

export interface GetPlanResponse {
  readonly plan: Plan;
}

export interface ListPlansRequest {}

export interface ListPlansResponse {
  readonly plans: readonly Plan[];
}

export interface ApplyPlanRequest {
  readonly id: string;
}

export interface ApplyPlanResponse {
  readonly operation: Operation;
}

export interface ListOperationsRequest {
  readonly all: boolean;
}

export interface ListOperationsResponse {
  readonly operations: readonly Operation[];
}

export interface GetOperationRequest {
  readonly id: string;
}

export interface GetOperationResponse {
  readonly operation: Operation;
  readonly events: readonly OperationEvent[];
}

export interface WatchOperationRequest {
  readonly id: string;
}

export interface WatchOperationResponse {
  readonly operation: Operation;
  readonly now: number;
}

export interface ControlOperationRequest {
  readonly id: string;
  readonly control: OperationControl;
  readonly reason: string;
}

export interface ControlOperationResponse {
  readonly operation: Operation;
}

export interface VerifyBackupRequest {
  readonly backup: string;
  readonly service?: string | undefined;
  readonly bytesPerSecond?: number | undefined;
  readonly requestId?: string | undefined;
  readonly atHost?: string | undefined;
}

export interface VerifyBackupResponse {
  readonly requestId: string;
  readonly backup: Backup;
  readonly outcome: Outcome;
}

interface ActOnBackupRequestCommon {
  readonly backup: string;
  readonly service?: string | undefined;
  readonly requestId?: string | undefined;
  readonly atHost?: string | undefined;
}
export type ActOnBackupRequest =
  | ({ readonly kind: 'drill' } & ActOnBackupRequestCommon & DrillAct)
  | ({ readonly kind: 'copy' } & ActOnBackupRequestCommon & CopyAct)
  | ({ readonly kind: 'fetch' } & ActOnBackupRequestCommon & FetchAct)
  | ({ readonly kind: 'check' } & ActOnBackupRequestCommon & CheckAct)
  | ({ readonly kind: 'prune' } & ActOnBackupRequestCommon & PruneAct)
  | ({ readonly kind: 'list-copies' } & ActOnBackupRequestCommon & ListCopiesAct)
  | ({ readonly kind: 'send' } & ActOnBackupRequestCommon & SendAct)
  | ({ readonly kind: 'prune-copies' } & ActOnBackupRequestCommon & PruneCopiesAct);

export interface DrillAct {
  readonly image?: string | undefined;
  readonly timeoutMs: number;
}

export interface CopyAct {}

export interface FetchAct {
  readonly host?: string | undefined;
}

export interface CheckAct {
  readonly dataPercent: number;
  readonly host?: string | undefined;
}

export interface SendAct {
  readonly host: string;
  readonly bytesPerSecond?: number | undefined;
}

export interface ListCopiesAct {
  readonly host?: string | undefined;
}

export interface PruneAct {
  readonly host: string;
  readonly dryRun: boolean;
}

export interface PruneCopiesAct {
  readonly host: string;
  readonly dryRun: boolean;
}

export interface ActOnBackupResponse {
  readonly requestId: string;
  readonly backup?: Backup | undefined;
  readonly outcome: Outcome;
}

export interface ListBackupsRequest {
  readonly service?: string | undefined;
}

export interface ListBackupsResponse {
  readonly backups: readonly Backup[];
}

export interface Explanation {
  readonly subject: string;
  readonly summary: string;
  readonly facts: readonly Evidence[];
  readonly waits: readonly Wait[];
  readonly refusals: readonly Refusal[];
  readonly findings: readonly Finding[];
}

export interface ExplainRequest {
  readonly subject: string;
}

export interface ExplainResponse {
  readonly explanations: readonly Explanation[];
}

export interface AuditRow {
  readonly at: number;
  readonly who: string;
  readonly what: string;
  readonly subject: string;
  readonly result: string;
}

export interface ListAuditRequest {
  readonly limit: number;
}

export interface ListAuditResponse {
  readonly rows: readonly AuditRow[];
}

export interface SecretUse {
  readonly member: string;
  readonly version: number;
}

export interface SecretView {
  readonly name: string;
  readonly version: number;
  readonly madeBy: string;
  readonly madeAt: number;
  readonly usedBy: readonly SecretUse[];
  readonly readable: boolean;
}

export interface SetSecretRequest {
  readonly name: string;
  readonly plaintext: string;
}

export interface SetSecretResponse {
  readonly secret: SecretView;
}

export interface ListSecretsRequest {}

export interface ListSecretsResponse {
  readonly secrets: readonly SecretView[];
}

export interface RemoveSecretRequest {
  readonly name: string;
}

export interface RemoveSecretResponse {}

export interface AcknowledgeFailoverRequest {
  readonly service: string;
}

export interface AcknowledgeFailoverResponse {
  readonly service: string;
  readonly operationId: string;
  readonly beganAt: number;
  readonly from: string;
  readonly to?: string | undefined;
}

export interface TestEngineRequest {
  readonly member: string;
  readonly exec: ExecEngine;
}

export interface TestEngineResponse {
  readonly member: string;
  readonly host: string;
  readonly answers: readonly CommandAnswer[];
}

export interface GrowthRate {
  readonly bytesPerDay: number;
  readonly lowBytesPerDay: number;
  readonly highBytesPerDay: number;
}

export interface RuleForecast {
  readonly rule: SpaceRule;
  readonly verdict: SpaceVerdict;
  readonly member?: string | undefined;
  readonly haveBytes?: number | undefined;
  readonly wantedBytes?: number | undefined;
  readonly earliestAt?: number | undefined;
  readonly expectedAt?: number | undefined;
  readonly latestAt?: number | undefined;
  readonly reason?: string | undefined;
  readonly since?: number | undefined;
}

export interface VolumeForecast {
  readonly host: string;
  readonly volume: string;
  readonly paths: readonly string[];
  readonly services: readonly string[];
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly dataBytes?: number | undefined;
  readonly backupBytes: number;
  readonly dataGrowth?: GrowthRate | undefined;
  readonly backupGrowth?: GrowthRate | undefined;
  readonly othersGrowth?: GrowthRate | undefined;
  readonly sampledAt?: number | undefined;
  readonly rules: readonly RuleForecast[];
}

export interface GetForecastRequest {
  readonly subject?: string | undefined;
}

export interface GetForecastResponse {
  readonly now: number;
  readonly volumes: readonly VolumeForecast[];
}

export interface StreamLogsRequest {
  readonly subjects: readonly string[];
  readonly since?: number | undefined;
  readonly lines: number;
  readonly follow: boolean;
  readonly level?: LogLevel | undefined;
  readonly records: boolean;
}

export type StreamLogsResponse =
  | ({ readonly kind: 'lines' } & LogLines)
  | ({ readonly kind: 'skipped' } & LogsSkipped)
  | ({ readonly kind: 'note' } & LogsNote);

export interface ListCellUsersRequest {
  readonly service: string;
  readonly act: CellAct;
}

export interface ListCellUsersResponse {
  readonly member: string;
  readonly people: CellPeople;
}

export interface ActOnCellRequest {
  readonly service: string;
  readonly act: CellAct;
  readonly password?: string | undefined;
}

export interface ActOnCellResponse {
  readonly member: string;
  readonly people: CellPeople;
  readonly url?: string | undefined;
}

export interface InstallHttpsRequest {
  readonly member: string;
  readonly certificatePem: string;
  readonly keyPem: string;
}

export interface InstallHttpsResponse {
  readonly member: string;
  readonly host: string;
  readonly installed: HttpsInstalled;
}

export interface OperatorService {
  readonly getStatus: {
    readonly kind: 'unary';
    readonly request: GetStatusRequest;
    readonly response: GetStatusResponse;
  };
  readonly watchStatus: {
    readonly kind: 'server-stream';
    readonly request: WatchStatusRequest;
    readonly response: WatchStatusResponse;
  };
  readonly listHosts: {
    readonly kind: 'unary';
    readonly request: ListHostsRequest;
    readonly response: ListHostsResponse;
  };
  readonly inviteHost: {
    readonly kind: 'unary';
    readonly request: InviteHostRequest;
    readonly response: InviteHostResponse;
  };
  readonly revokeHost: {
    readonly kind: 'unary';
    readonly request: RevokeHostRequest;
    readonly response: RevokeHostResponse;
  };
  readonly listUsers: {
    readonly kind: 'unary';
    readonly request: ListUsersRequest;
    readonly response: ListUsersResponse;
  };
  readonly inviteUser: {
    readonly kind: 'unary';
    readonly request: InviteUserRequest;
    readonly response: InviteUserResponse;
  };
  readonly revokeUser: {
    readonly kind: 'unary';
    readonly request: RevokeUserRequest;
    readonly response: RevokeUserResponse;
  };
  readonly renewCertificate: {
    readonly kind: 'unary';
    readonly request: OperatorServiceRenewCertificateRequest;
    readonly response: OperatorServiceRenewCertificateResponse;
  };
  readonly getFindings: {
    readonly kind: 'unary';
    readonly request: GetFindingsRequest;
    readonly response: GetFindingsResponse;
  };
  readonly tuneHost: {
    readonly kind: 'unary';
    readonly request: TuneHostRequest;
    readonly response: TuneHostResponse;
  };
  readonly waive: {
    readonly kind: 'unary';
    readonly request: WaiveRequest;
    readonly response: WaiveResponse;
  };
  readonly endWaiver: {
    readonly kind: 'unary';
    readonly request: EndWaiverRequest;
    readonly response: EndWaiverResponse;
  };
  readonly listWaivers: {
    readonly kind: 'unary';
    readonly request: ListWaiversRequest;
    readonly response: ListWaiversResponse;
  };
  readonly makePlan: {
    readonly kind: 'unary';
    readonly request: MakePlanRequest;
    readonly response: MakePlanResponse;
  };
  readonly getPlan: {
    readonly kind: 'unary';
    readonly request: GetPlanRequest;
    readonly response: GetPlanResponse;
  };
  readonly listPlans: {
    readonly kind: 'unary';
    readonly request: ListPlansRequest;
    readonly response: ListPlansResponse;
  };
  readonly applyPlan: {
    readonly kind: 'unary';
    readonly request: ApplyPlanRequest;
    readonly response: ApplyPlanResponse;
  };
  readonly listOperations: {
    readonly kind: 'unary';
    readonly request: ListOperationsRequest;
    readonly response: ListOperationsResponse;
  };
  readonly getOperation: {
    readonly kind: 'unary';
    readonly request: GetOperationRequest;
    readonly response: GetOperationResponse;
  };
  readonly watchOperation: {
    readonly kind: 'server-stream';
    readonly request: WatchOperationRequest;
    readonly response: WatchOperationResponse;
  };
  readonly controlOperation: {
    readonly kind: 'unary';
    readonly request: ControlOperationRequest;
    readonly response: ControlOperationResponse;
  };
  readonly verifyBackup: {
    readonly kind: 'unary';
    readonly request: VerifyBackupRequest;
    readonly response: VerifyBackupResponse;
  };
  readonly actOnBackup: {
    readonly kind: 'unary';
    readonly request: ActOnBackupRequest;
    readonly response: ActOnBackupResponse;
  };
  readonly listBackups: {
    readonly kind: 'unary';
    readonly request: ListBackupsRequest;
    readonly response: ListBackupsResponse;
  };
  readonly explain: {
    readonly kind: 'unary';
    readonly request: ExplainRequest;
    readonly response: ExplainResponse;
  };
  readonly getForecast: {
    readonly kind: 'unary';
    readonly request: GetForecastRequest;
    readonly response: GetForecastResponse;
  };
  readonly listAudit: {
    readonly kind: 'unary';
    readonly request: ListAuditRequest;
    readonly response: ListAuditResponse;
  };
  readonly setSecret: {
    readonly kind: 'unary';
    readonly request: SetSecretRequest;
    readonly response: SetSecretResponse;
  };
  readonly listSecrets: {
    readonly kind: 'unary';
    readonly request: ListSecretsRequest;
    readonly response: ListSecretsResponse;
  };
  readonly removeSecret: {
    readonly kind: 'unary';
    readonly request: RemoveSecretRequest;
    readonly response: RemoveSecretResponse;
  };
  readonly testEngine: {
    readonly kind: 'unary';
    readonly request: TestEngineRequest;
    readonly response: TestEngineResponse;
  };
  readonly acknowledgeFailover: {
    readonly kind: 'unary';
    readonly request: AcknowledgeFailoverRequest;
    readonly response: AcknowledgeFailoverResponse;
  };
  readonly streamLogs: {
    readonly kind: 'server-stream';
    readonly request: StreamLogsRequest;
    readonly response: StreamLogsResponse;
  };
  readonly listCellUsers: {
    readonly kind: 'unary';
    readonly request: ListCellUsersRequest;
    readonly response: ListCellUsersResponse;
  };
  readonly actOnCell: {
    readonly kind: 'unary';
    readonly request: ActOnCellRequest;
    readonly response: ActOnCellResponse;
  };
  readonly installHttps: {
    readonly kind: 'unary';
    readonly request: InstallHttpsRequest;
    readonly response: InstallHttpsResponse;
  };
}

export interface TransferJoin {
  readonly transfer: string;
  readonly sends: boolean;
}

export interface TransferOffer {
  readonly backup: Backup;
  readonly directories: readonly TransferDirectory[];
}

export interface TransferDirectory {
  readonly name: string;
  readonly attributes: TransferAttributes;
}

export interface TransferWant {
  readonly name: string;
  readonly offset: number;
}

export interface TransferPiece {
  readonly name: string;
  readonly offset: number;
  readonly data: Uint8Array;
  readonly zeroBytes: number;
  readonly attributes?: TransferAttributes | undefined;
  readonly link?: string | undefined;
}

export interface TransferAttributes {
  readonly mode: number;
  readonly userId: number;
  readonly groupId: number;
  readonly modifiedAt: number;
}

export interface TransferEnd {
  readonly problem?: string | undefined;
}

export type TransferRequest =
  | ({ readonly kind: 'join' } & TransferJoin)
  | ({ readonly kind: 'offer' } & TransferOffer)
  | ({ readonly kind: 'want' } & TransferWant)
  | ({ readonly kind: 'piece' } & TransferPiece)
  | ({ readonly kind: 'end' } & TransferEnd);

export type TransferResponse =
  | ({ readonly kind: 'offer' } & TransferOffer)
  | ({ readonly kind: 'want' } & TransferWant)
  | ({ readonly kind: 'piece' } & TransferPiece)
  | ({ readonly kind: 'end' } & TransferEnd);

export interface TransferService {
  readonly transfer: {
    readonly kind: 'bidi';
    readonly request: TransferRequest;
    readonly response: TransferResponse;
  };
}

export type UpdateStrategy = 'leafs-first' | 'low-downtime';

export interface ReleaseNote {
  readonly version: string;
  readonly text: string;
}

export interface ReleaseNotes {
  readonly migrations: readonly ReleaseNote[];
  readonly flagDays: readonly ReleaseNote[];
  readonly oldest: string;
  readonly newest: string;
}

export interface UpdateOptions {
  readonly strategy?: UpdateStrategy | undefined;
  readonly despiteRehearsal?: string | undefined;
  readonly notes?: ReleaseNotes | undefined;
  readonly acknowledged: readonly string[];
}

export interface Deprecation {
  readonly text: string;
  readonly count: number;
  readonly firstSeenAt: number;
  readonly lastSeenAt: number;
}

export interface Deprecations {
  readonly deprecations: readonly Deprecation[];
  readonly unlisted: number;
}

export interface RehearsalOutlook {
  readonly backup: string;
  readonly host: string;
  readonly at: number;
  readonly ok: boolean;
  readonly readyMs: number;
  readonly migrationMs: number;
  readonly problem?: string | undefined;
}

export interface DeprecationOutlook {
  readonly member: string;
  readonly deprecation: Deprecation;
}

export interface ServiceOutlook {
  readonly service: string;
  readonly strategy: UpdateStrategy;
  readonly leaderRestartMs?: number | undefined;
  readonly handOverMs?: number | undefined;
  readonly handOverTo?: string | undefined;
  readonly withoutMirrorMs?: number | undefined;
  readonly rehearsal?: RehearsalOutlook | undefined;
  readonly migrations: readonly ReleaseNote[];
  readonly flagDays: readonly ReleaseNote[];
  readonly deprecations: readonly DeprecationOutlook[];
  readonly backup?: string | undefined;
  readonly fromVersion?: string | undefined;
  readonly fromImage?: string | undefined;
}

export interface Outlooks {
  readonly services: readonly ServiceOutlook[];
}
