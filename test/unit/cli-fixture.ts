// A real gRPC server on loopback that answers as a controller would, with canned data, and the real command
// tree run against it. Records what was asked.
import { Server, ServerCredentials, credentials } from '@grpc/grpc-js';
import { systemClock } from '@leafward/shared/clock.js';
import type {
  Backup,
  CellPeople,
  CommandAnswer,
  Finding,
  HostView,
  MemberView,
  Move,
  Operation,
  OperatorService,
  Plan,
  SecretView,
  Status,
  StreamLogsResponse,
  VolumeForecast,
  Wait,
} from '@leafward/shared/gen/domain.js';
import { OperatorService as descriptor } from '@leafward/shared/gen/leafward/v1/operator_pb.js';
import {
  createClient,
  implementService,
  serviceDefinition,
  type ServiceHandlers,
} from '@leafward/shared/rpc/service.js';
import type { CliContext } from '@leafward/controller/cli/context.js';
import { runLeafward } from '@leafward/controller/cli/main.js';

/** The moment of every canned fact. */
export const NOW = Date.UTC(2026, 10, 21, 12, 0, 0);
const GiB = 1024 ** 3;
export const image = {
  reference: 'registry:5000/cortex:v2.150.0',
  digest: `sha256:${'a'.repeat(64)}`,
  version: '2.150.0',
};

const member = (name: string, host: string, over: Partial<MemberView>): MemberView => ({
  member: name,
  host,
  role: 'mirror',
  upstream: '00.cortex',
  depth: 1,
  run: 'running',
  state: 'mirroring',
  version: '2.113.0',
  position: 1_204_331,
  lag: 0,
  ready: true,
  dataBytes: 1.25 * GiB,
  freeBytes: 61 * GiB,
  totalBytes: 100 * GiB,
  seenAt: NOW - 2_000,
  problems: [],
  starts: 1,
  startsSinceRetired: 0,
  ...over,
});

/** Grows by 1 GiB a day; how long its backups last is not known yet. */
export const volumeForecast: VolumeForecast = {
  host: 'bravo',
  volume: '/srv/cortex/01',
  paths: ['/srv/cortex/01'],
  services: ['cortex'],
  totalBytes: 100 * GiB,
  freeBytes: 20 * GiB,
  dataBytes: 12.5 * GiB,
  backupBytes: 25 * GiB,
  dataGrowth: { bytesPerDay: GiB, lowBytesPerDay: 0.8 * GiB, highBytesPerDay: 1.5 * GiB },
  sampledAt: NOW - 600_000,
  rules: [
    {
      rule: 'backup',
      verdict: 'unknown',
      reason: 'too little is known yet',
      since: NOW - 30 * 3_600_000,
    },
    {
      rule: 'half',
      verdict: 'breaks',
      haveBytes: 37.5 * GiB,
      wantedBytes: 50 * GiB,
      earliestAt: NOW + 8 * 86_400_000,
      expectedAt: NOW + 12.5 * 86_400_000,
      latestAt: NOW + 16 * 86_400_000,
    },
    { rule: 'boot', verdict: 'beyond', haveBytes: 20 * GiB, wantedBytes: 5 * GiB },
  ],
};

export const backup: Backup = {
  name: '20261121T100000Z-01.cortex',
  service: 'cortex',
  member: '01.cortex',
  host: 'bravo',
  path: '/srv/cortex/01/backups/20261121T100000Z-01.cortex',
  sizeBytes: 1.25 * GiB,
  files: 42,
  position: 1_200_000,
  version: '2.113.0',
  term: 3,
  startedAt: NOW - 7_203_000,
  finishedAt: NOW - 7_200_000,
  manifestSha256: 'b'.repeat(64),
  verification: {
    at: NOW - 3_600_000,
    ok: true,
    files: 42,
    bytes: 1.25 * GiB,
    tookMs: 9000,
    problems: [],
  },
};

const host = (name: string, over: Partial<HostView> = {}): HostView => ({
  host: name,
  connected: true,
  lastSeenAt: NOW - 1_000,
  agentVersion: '0.1.0',
  clockOffsetMs: 3,
  certificateExpiresAt: NOW + 20 * 86_400_000,
  revoked: false,
  warnings: 0,
  criticals: 0,
  problems: [],
  ...over,
});

const secretView = (name: string): SecretView => ({
  name,
  version: 2,
  madeBy: 'ann',
  madeAt: NOW - 60_000,
  usedBy: [{ member: '00.cortex', version: 1 }],
  readable: true,
});

export const wait: Wait = {
  code: 'catching-up',
  subject: '03.cortex',
  message: '03.cortex is 12 behind 01.cortex',
  since: NOW - 12_000,
  deadlineAt: NOW + 888_000,
  unblock: 'it catches up by itself; if it does not, look at its log',
  evidence: [{ name: 'lag', value: '12', wanted: '0', seenAt: NOW - 2_000 }],
};

const moves: readonly Move[] = [
  {
    kind: 'pull',
    id: 'm1',
    service: 'cortex',
    cause: 'every host needs the image before anything stops',
    hosts: ['alpha', 'bravo', 'charlie'],
    runtime: 'docker',
    image,
    expectedMs: 20_000,
  },
  {
    kind: 'back-up',
    id: 'm2',
    service: 'cortex',
    cause: 'asked for',
    member: '01.cortex',
    host: 'bravo',
    name: backup.name,
    expectedMs: 3_000,
  },
];

export const plan: Plan = {
  id: 'p-7c21',
  goal: { kind: 'update', service: 'cortex', image: image.reference, resolved: image },
  madeAt: NOW - 3_000,
  moves,
  gates: [
    {
      name: 'backup',
      passed: true,
      message: 'the last backup is 2 h old',
      evidence: [{ name: 'age', value: '2 h', wanted: 'at most 24 h' }],
    },
  ],
  refusals: [],
  warnings: ['the leader is down for about 9 s'],
  unchanged: ['aha: not part of this plan'],
  expectedDowntimeMs: 9_000,
  basis: 'c'.repeat(64),
  services: ['cortex'],
};

export const refusedPlan: Plan = {
  ...plan,
  id: 'p-no',
  moves: [],
  warnings: [],
  gates: [{ name: 'space', passed: false, message: 'bravo has too little room', evidence: [] }],
  refusals: [
    {
      code: 'no-space',
      subject: '01.cortex',
      message: 'the backup would not fit',
      unblock: 'free 12 GiB on bravo',
      evidence: [{ name: 'free', value: '3 GiB', wanted: '15 GiB' }],
    },
  ],
};

const begun = { attempt: 1, phase: 0, begunAt: NOW - 40_000 };
export const operation: Operation = {
  id: 'op-19',
  planId: 'p-7c21',
  goal: plan.goal,
  state: 'running',
  services: ['cortex'],
  moves,
  progress: [
    { ...begun, state: 'done', endedAt: NOW - 30_000 },
    { ...begun, state: 'begun', begunAt: NOW - 30_000, wait },
  ],
  createdBy: 'ada',
  createdAt: NOW - 60_000,
  abortRequested: false,
};
export const doneOperation: Operation = {
  ...operation,
  state: 'done',
  endedAt: NOW,
  progress: [
    { ...begun, state: 'done', endedAt: NOW - 30_000 },
    { ...begun, state: 'done', begunAt: NOW - 30_000, endedAt: NOW },
  ],
};
export const failedOperation: Operation = {
  ...operation,
  state: 'paused',
  reason: 'the pull on bravo failed: registry timed out after 30 s',
  progress: [
    { ...begun, state: 'failed', endedAt: NOW - 10_000, note: 'registry timed out after 30 s' },
    { state: 'pending', attempt: 0, phase: 0 },
  ],
};

export const status: Status = {
  fleet: 'demo',
  now: NOW,
  services: [
    {
      service: 'cortex',
      kind: 'synapse',
      term: 3,
      lastBackup: backup,
      operation: 'op-19',
      problems: [],
      members: [
        member('00.cortex', 'alpha', {
          role: 'leader',
          upstream: undefined,
          depth: 0,
          state: 'leading',
          lag: undefined,
        }),
        member('01.cortex', 'bravo', {}),
        member('02.cortex', 'charlie', {}),
        member('03.cortex', 'bravo', {
          upstream: '01.cortex',
          depth: 2,
          state: 'behind',
          position: 1_204_319,
          lag: 12,
          freeBytes: 5 * GiB,
          problems: ['03.cortex is 12 behind 01.cortex'],
        }),
        member('09.cortex', 'delta', {
          run: 'retired',
          upstream: undefined,
          state: 'retired',
          version: undefined,
          position: undefined,
          lag: undefined,
          ready: undefined,
          problems: ['retired at term 3: it must not start; reseed it to use it again'],
        }),
      ],
    },
  ],
  hosts: [
    host('alpha'),
    host('bravo', { warnings: 1 }),
    host('charlie', { criticals: 1 }),
    host('delta', { connected: false, lastSeenAt: NOW - 250_000, problems: ['it is silent'] }),
  ],
  problems: [],
  operations: [operation],
};

export const finding: Finding = {
  check: 'sysctl-swappiness',
  subject: 'charlie',
  severity: 'critical',
  seen: '60',
  wanted: '10',
  why: 'pages of the memory map are swapped out and reads stall',
  fix: 'set vm.swappiness to 10',
  fixable: true,
  seenAt: NOW - 5_000,
  source: "the guide's section on performance",
};

export type Handlers = ServiceHandlers<OperatorService, undefined>;
type Requests = { readonly method: string; readonly request: object }[];

const outcome = {
  requestId: 'r-1',
  state: 'succeeded' as const,
  startedAt: NOW,
  finishedAt: NOW + 100,
  changes: [
    {
      check: 'sysctl-swappiness',
      name: 'vm.swappiness',
      before: '60',
      after: '10',
      overriddenBy: '/etc/sysctl.d/99-tuned.conf',
      file: '/etc/sysctl.d/60-leafward.conf',
    },
  ],
};
/** What a kind's commands said at a leader. */
export const answers: readonly CommandAnswer[] = [
  { command: 'role', ok: true, output: 'role:master', value: 'leader', tookMs: 4 },
  { command: 'position', ok: true, output: '0/16B3748', value: '23803720', tookMs: 31 },
  { command: 'upstream', ok: true, output: '', value: '', tookMs: 5 },
];
const waiver = {
  host: 'charlie',
  check: 'swap',
  reason: 'a test host',
  until: NOW + 86_400_000,
  madeBy: 'ada',
  madeAt: NOW,
};

export async function* once<T>(...items: readonly T[]): AsyncGenerator<T> {
  for (const item of items) yield item;
}

const cannedPeople: CellPeople = {
  users: [
    {
      name: 'visi',
      iden: 'a1b2',
      admin: true,
      locked: true,
      archived: false,
      email: 'visi@example.org',
      roles: ['all'],
      rules: [{ allow: false, path: ['node', 'del'] }],
      gates: [{ iden: 'c3d4', admin: true, rules: [{ allow: true, path: ['view'] }] }],
    },
  ],
  roles: [{ name: 'all', iden: 'e5f6', rules: [] }],
  leftOut: 3,
  changes: [],
};
const cannedLogs: readonly StreamLogsResponse[] = [
  {
    kind: 'lines',
    lines: [
      { member: '00.cortex', at: NOW, level: 'info', logger: 'synapse.lib.cell', message: 'hello' },
      { member: '01.cortex', message: 'a plain line' },
    ],
  },
  { kind: 'skipped', member: '01.cortex', lines: 7 },
  { kind: 'note', subject: 'charlie', text: 'is not connected', again: [] },
];

/** A controller's answers; every one can be replaced. */
export const canned: Handlers = {
  getStatus: async () => ({ status }),
  watchStatus: () => once({ status }),
  listHosts: async () => ({ hosts: status.hosts }),
  inviteHost: async ({ name, ttlMs }) => ({
    url: `leafward://controller:7442/host/${name}?token=t`,
    expiresAt: NOW + ttlMs,
  }),
  revokeHost: async () => ({ connectionsEnded: 1 }),
  listUsers: async () => ({
    users: [{ name: 'ada', role: 'admin', enrolledAt: NOW - 86_400_000 }],
  }),
  inviteUser: async ({ name, ttlMs }) => ({
    url: `leafward://c/user/${name}`,
    expiresAt: NOW + ttlMs,
  }),
  revokeUser: async () => ({ connectionsEnded: 2 }),
  renewCertificate: async () => ({ certificatePem: '', caPem: '' }),
  getFindings: async () => ({
    findings: [
      { host: 'charlie', finding },
      { host: 'charlie', finding: { ...finding, check: 'swap', severity: 'warning' }, waiver },
      { host: 'alpha', finding: { ...finding, subject: 'alpha', severity: 'ok', seen: '10' } },
    ],
    silent: ['delta: silent for 4 min'],
  }),
  tuneHost: async () => ({ outcome }),
  waive: async () => ({ waiver }),
  endWaiver: async () => ({}),
  listWaivers: async () => ({ waivers: [waiver] }),
  makePlan: async ({ goal }) => ({ plan: { ...plan, goal } }),
  getPlan: async () => ({ plan }),
  listPlans: async () => ({ plans: [plan, refusedPlan] }),
  verifyBackup: async () => ({
    requestId: 'ask-1',
    backup,
    outcome: { ...outcome, requestId: 'ask-1', state: 'succeeded', backup },
  }),
  actOnBackup: async () => ({
    requestId: 'ask-1',
    backup,
    outcome: { ...outcome, requestId: 'ask-1', state: 'succeeded', backup },
  }),
  streamLogs: () => once(...cannedLogs),
  listCellUsers: async () => ({ member: '00.cortex', people: cannedPeople }),
  actOnCell: async ({ act }) => ({
    member: '00.cortex',
    people: { ...cannedPeople, changes: [`${act.kind} is done`] },
    ...(act.kind === 'enroll-user' ? { url: 'ssl://aha.loop.test:27272/ab?certhash=cd' } : {}),
  }),
  installHttps: async ({ member }) => ({
    member,
    host: 'alpha',
    installed: { subject: 'cortex.example.org', expiresAt: NOW + 86_400_000, reloaded: true },
  }),
  applyPlan: async () => ({ operation }),
  listOperations: async () => ({ operations: [operation] }),
  getOperation: async () => ({
    operation,
    events: [{ at: NOW - 60_000, operationId: 'op-19', text: 'begun by ada' }],
  }),
  watchOperation: () => once({ operation, now: NOW }, { operation: doneOperation, now: NOW }),
  controlOperation: async () => ({
    operation: { ...operation, state: 'paused', reason: 'by ada' },
  }),
  acknowledgeFailover: async ({ service }) => ({
    service,
    operationId: 'op-19',
    beganAt: NOW - 60_000,
    from: '00.cortex',
    to: '01.cortex',
  }),
  listBackups: async () => ({ backups: [backup] }),
  getForecast: async () => ({ now: NOW, volumes: [volumeForecast] }),
  explain: async ({ subject }) => ({
    explanations: [
      {
        subject,
        summary: 'it waits for its mirror',
        facts: wait.evidence,
        waits: [wait],
        refusals: refusedPlan.refusals,
        findings: [finding],
      },
    ],
  }),
  setSecret: async ({ name }) => ({ secret: secretView(name) }),
  listSecrets: async () => ({ secrets: [secretView('db-password')] }),
  removeSecret: async () => ({}),
  testEngine: async ({ member }) => ({ member, host: 'alpha', answers }),
  listAudit: async () => ({
    rows: [{ at: NOW, who: 'ada', what: 'ApplyPlan', subject: 'p-7c21', result: 'op-19' }],
  }),
};

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Fixture {
  readonly run: (args: readonly string[], over?: Partial<RunOver>) => Promise<Result>;
  readonly asked: Requests;
  readonly stop: () => void;
}

export interface RunOver {
  readonly interactive: boolean;
  readonly columns: number;
  readonly answer: boolean;
  readonly environment: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Told of every piece of output. */
  readonly onWrite: (text: string) => void;
  readonly context: Partial<CliContext>;
}

/** Starts the controller's stand-in on a free port of loopback. */
export async function startFixture(over: Partial<Handlers> = {}): Promise<Fixture> {
  const asked: Requests = [];
  const handlers = Object.fromEntries(
    Object.entries({ ...canned, ...over }).map(([method, handler]) => [
      method,
      (request: object, call: never) => {
        asked.push({ method, request });
        return (handler as (request: object, call: never) => unknown)(request, call);
      },
    ]),
  ) as unknown as Handlers;
  const server = new Server();
  server.addService(
    serviceDefinition(descriptor),
    implementService<OperatorService, undefined>(
      descriptor,
      () => undefined,
      handlers,
      (error) => console.error(error),
    ),
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return {
    asked,
    stop: () => server.forceShutdown(),
    run: (args, options = {}) => runOnce(args, `127.0.0.1:${port}`, options),
  };
}

export async function runOnce(
  args: readonly string[],
  address: string,
  over: Partial<RunOver> = {},
): Promise<Result> {
  let stdout = '';
  let stderr = '';
  const code = await runLeafward(args, {
    clock: { ...systemClock, now: () => NOW },
    environment: over.environment ?? {},
    terminal: {
      write: (text) => {
        stdout += text;
        over.onWrite?.(text);
      },
      writeError: (text) => (stderr += text),
      interactive: over.interactive ?? false,
      size: () => (over.columns === undefined ? undefined : { columns: over.columns, rows: 60 }),
    },
    connect: async () => ({
      client: createClient<OperatorService>(descriptor, address, credentials.createInsecure()),
      address,
    }),
    enroll: async () => ({
      fleet: 'demo',
      name: 'ada',
      address,
      role: 'operator',
      directory: '/home/ada/.config/leafward',
    }),
    readInput: async () => 'fleet: demo\n',
    readSecret: async () => 'correct horse\n',
    confirm: async () => over.answer ?? false,
    signal: over.signal ?? new AbortController().signal,
    ...over.context,
  });
  return { code, stdout, stderr };
}
