// The durable side of the fleet. One commit is one transaction that carries this controller's epoch: a commit of
// a controller that was replaced is refused (I11) and changes nothing.
import {
  sql,
  type CompiledQuery,
  type ExpressionBuilder,
  type Kysely,
  type Transaction,
} from 'kysely';
import { LeafwardError } from '@leafward/shared/errors.js';
import type {
  Backup,
  HostIntent,
  Operation,
  OperationEvent,
  Outcome,
  Plan,
  Request,
  Waiver,
} from '@leafward/shared/gen/domain.js';
import type { Change, Images } from '../changes.js';
import type { BasisFacts } from '../planning/basis.js';
import type { StoredSecret } from '../secrets/seal.js';
import type {
  AutomaticState,
  RebuildState,
  Rehearsal,
  RequestState,
  ServiceState,
} from '../snapshot.js';
import { loadSecrets } from './secret-rows.js';
import { loadRehearsals, writeChange } from './write-change.js';
import type { FleetTables } from './tables.js';

/** Everything that a controller keeps in memory, as it was when it started. */
export interface StoredFleet {
  readonly manifestText?: string | undefined;
  readonly services: Readonly<Record<string, ServiceState>>;
  readonly intents: Readonly<Record<string, HostIntent>>;
  /** Open ones, and ended ones that an open operation may still ask for. */
  readonly requests: Readonly<Record<string, RequestState>>;
  readonly operations: readonly Operation[];
  readonly backups: Readonly<Record<string, readonly Backup[]>>;
  readonly waivers: readonly Waiver[];
  readonly hostFacts: Readonly<
    Record<string, { readonly receivedAt: number; readonly body: unknown }>
  >;
  /** All versions, removed ones included. */
  readonly secrets: readonly StoredSecret[];
  readonly durations: readonly { readonly key: string; readonly ms: number }[];
  readonly rebuild?: RebuildState | undefined;
  readonly rehearsals?: readonly Rehearsal[] | undefined;
}

export interface StoredPlan {
  readonly plan: Plan;
  readonly images: Images;
  /** What it relied on; undefined: not kept. */
  readonly facts?: readonly BasisFacts[] | undefined;
}

export interface FleetStore {
  /**
   * Takes over: raises the epoch, so that whoever had it before can commit no more; and above this one, which somebody
   * knows and this store does not.
   */
  takeOver(above?: number): Promise<number>;
  /** Of whoever took over last. */
  epoch(): Promise<number>;
  load(): Promise<StoredFleet>;
  /** @throws LeafwardError `stale` when another controller took over since. */
  commit(changes: readonly Change[], epoch: number): Promise<void>;
  plan(id: string): Promise<StoredPlan | undefined>;
  plans(limit: number): Promise<readonly Plan[]>;
  operation(id: string): Promise<Operation | undefined>;
  operations(limit: number): Promise<readonly Operation[]>;
  events(operationId: string): Promise<readonly OperationEvent[]>;
  /** Takes the oldest ended records away, so that the store stays small. @throws as `commit` does. */
  prune(epoch: number): Promise<void>;
  /** Overwrites what is remembered of a host for the time after a restart. */
  rememberHost(host: string, receivedAt: number, body: unknown): Promise<void>;
}

/** Above what any list shows and any planner asks for; what is open is kept whatever its age. */
const KEPT = { plans: 1000, operations: 2000, requests: 4000, manifests: 200 };
const RECENT_REQUESTS = 2000; // an operation of 1,000 moves has at most 2 requests a move
const DURATIONS = 5000;

export function createFleetStore(db: Kysely<FleetTables>): FleetStore {
  return {
    takeOver: (above = 0) => db.transaction().execute((trx) => takeOver(trx, above)),
    epoch: () => readEpoch(db),
    load: () => load(db),
    commit: (changes, epoch) =>
      db.transaction().execute(async (trx) => {
        await assertEpoch(trx, epoch);
        for (const change of changes) await writeChange(trx, change);
      }),
    plan: async (id) => {
      const row = await db.selectFrom('plans').selectAll().where('id', '=', id).executeTakeFirst();
      if (row === undefined) return undefined;
      const facts = row.facts === null ? undefined : parse<StoredPlan['facts']>(row.facts);
      return { plan: parse<Plan>(row.body), images: parse<Images>(row.images), facts };
    },
    plans: async (limit) =>
      (
        await db
          .selectFrom('plans')
          .select('body')
          .orderBy('made_at', 'desc')
          .limit(limit)
          .execute()
      ).map((row) => parse<Plan>(row.body)),
    operation: async (id) => {
      const row = await db
        .selectFrom('operations')
        .select('body')
        .where('id', '=', id)
        .executeTakeFirst();
      return row && parse<Operation>(row.body);
    },
    operations: async (limit) =>
      (
        await db
          .selectFrom('operations')
          .select('body')
          .orderBy('created_at', 'desc')
          .limit(limit)
          .execute()
      ).map((row) => parse<Operation>(row.body)),
    events: async (operationId) =>
      (
        await db
          .selectFrom('operation_events')
          .selectAll()
          .where('operation_id', '=', operationId)
          .orderBy('id')
          .execute()
      ).map((row) => ({ at: row.at, operationId: row.operation_id, text: row.text })),
    prune: (epoch) =>
      db.transaction().execute(async (trx) => {
        await assertEpoch(trx, epoch);
        await prune(trx);
      }),
    rememberHost: async (host, receivedAt, body) => {
      const row = { host, received_at: receivedAt, body: JSON.stringify(body) };
      await db
        .insertInto('host_facts')
        .values(row)
        .onConflict((c) => c.column('host').doUpdateSet(row))
        .execute();
    },
  };
}

const parse = <T>(text: string): T => JSON.parse(text) as T;

/** Asked before every commit and twice a second: put into words once for each store. */
const epochQueries = new WeakMap<object, CompiledQuery<{ readonly value: string }>>();

async function readEpoch(db: Kysely<FleetTables>): Promise<number> {
  const dialect = db.getExecutor().adapter;
  const query = epochQueries.get(dialect) ?? metaQuery(db, 'epoch').compile();
  epochQueries.set(dialect, query);
  return Number((await db.executeQuery(query)).rows[0]?.value ?? '0');
}

const metaQuery = (db: Kysely<FleetTables>, key: string) =>
  db.selectFrom('meta').select('value').where('key', '=', key);

async function readMeta(db: Kysely<FleetTables>, key: string): Promise<string | undefined> {
  return (await metaQuery(db, key).executeTakeFirst())?.value;
}

async function takeOver(trx: Transaction<FleetTables>, above: number): Promise<number> {
  const epoch = Math.max(await readEpoch(trx), above) + 1;
  await trx
    .insertInto('meta')
    .values({ key: 'epoch', value: String(epoch) })
    .onConflict((c) => c.column('key').doUpdateSet({ value: String(epoch) }))
    .execute();
  return epoch;
}

async function assertEpoch(trx: Transaction<FleetTables>, epoch: number): Promise<void> {
  const now = await readEpoch(trx);
  if (now === epoch) return;
  throw new LeafwardError(
    'stale',
    `commit as controller epoch ${epoch}: epoch ${now} has taken over; this controller must end`,
  );
}

type RequestScope = ExpressionBuilder<FleetTables, 'requests'>;

/** A request's id begins with its operation's. */
const ofOpenOperation = (e: RequestScope) =>
  e.exists(
    e
      .selectFrom('operations')
      .select('operations.id')
      .where('operations.open', '=', 1)
      .where(sql<boolean>`requests.id like operations.id || '.%'`),
  );

async function prune(trx: Transaction<FleetTables>): Promise<void> {
  const newestPlans = trx
    .selectFrom('plans')
    .select('id')
    .orderBy('made_at', 'desc')
    .limit(KEPT.plans);
  await trx.deleteFrom('plans').where('id', 'not in', newestPlans).execute();
  const newestOperations = trx
    .selectFrom('operations')
    .select('id')
    .orderBy('created_at', 'desc')
    .limit(KEPT.operations);
  await trx
    .deleteFrom('operations')
    .where('open', '=', 0)
    .where('id', 'not in', newestOperations)
    .execute();
  await trx
    .deleteFrom('operation_events')
    .where('operation_id', 'not in', trx.selectFrom('operations').select('id'))
    .execute();
  const newestRequests = trx
    .selectFrom('requests')
    .select('id')
    .where('open', '=', 0)
    .orderBy('created_at', 'desc')
    .limit(KEPT.requests);
  await trx
    .deleteFrom('requests')
    .where('open', '=', 0)
    .where('id', 'not in', newestRequests)
    .where((e) => e.not(ofOpenOperation(e)))
    .execute();
  for (const [table, count] of [
    ['durations', DURATIONS],
    ['manifests', KEPT.manifests],
  ] as const) {
    const newest = trx.selectFrom(table).select('id').orderBy('id', 'desc').limit(count);
    await trx.deleteFrom(table).where('id', 'not in', newest).execute();
  }
}

async function load(db: Kysely<FleetTables>): Promise<StoredFleet> {
  const manifest = await db
    .selectFrom('manifests')
    .select('text')
    .orderBy('id', 'desc')
    .executeTakeFirst();
  const services = await db.selectFrom('services').selectAll().execute();
  const intents = await db.selectFrom('intents').selectAll().execute();
  const requests = await loadRequests(db);
  const operations = await db
    .selectFrom('operations')
    .select('body')
    .where('open', '=', 1)
    .orderBy('created_at')
    .execute();
  const backups = await db.selectFrom('backups').selectAll().execute();
  const waivers = await db.selectFrom('waivers').select('body').execute();
  const secrets = await loadSecrets(db);
  const facts = await db.selectFrom('host_facts').selectAll().execute();
  const rebuild = await readMeta(db, 'rebuild');
  const durations = await db
    .selectFrom('durations')
    .selectAll()
    .orderBy('id', 'desc')
    .limit(DURATIONS)
    .execute();
  return {
    manifestText: manifest?.text,
    services: Object.fromEntries(
      services.map((row) => [
        row.name,
        {
          declaration: parse<ServiceState['declaration']>(row.declaration),
          topology: parse<ServiceState['topology']>(row.topology),
          ...(row.automatic === null ? {} : { automatic: parse<AutomaticState>(row.automatic) }),
        },
      ]),
    ),
    intents: Object.fromEntries(intents.map((row) => [row.host, parse<HostIntent>(row.body)])),
    requests: Object.fromEntries(
      requests.map((row) => [
        row.id,
        {
          request: parse<Request>(row.body),
          host: row.host,
          createdAt: row.created_at,
          outcome: row.outcome === null ? undefined : parse<Outcome>(row.outcome),
        },
      ]),
    ),
    operations: operations.map((row) => parse<Operation>(row.body)),
    backups: byHost(backups.map((row) => parse<Backup>(row.body))),
    waivers: waivers.map((row) => parse<Waiver>(row.body)),
    hostFacts: Object.fromEntries(
      facts.map((row) => [
        row.host,
        { receivedAt: row.received_at, body: parse<unknown>(row.body) },
      ]),
    ),
    secrets,
    rebuild: rebuild === undefined ? undefined : parse<RebuildState>(rebuild),
    rehearsals: await loadRehearsals(db),
    durations: durations
      .reverse()
      .map((row) => ({ key: `${row.service}/${row.move}`, ms: row.ms })),
  };
}

/** Oldest first: open ones, recent ones, and whatever an open operation may still ask for. */
async function loadRequests(db: Kysely<FleetTables>) {
  const recent = await db
    .selectFrom('requests')
    .selectAll()
    .orderBy('open', 'desc')
    .orderBy('created_at', 'desc')
    .limit(RECENT_REQUESTS)
    .execute();
  const held = await db
    .selectFrom('requests')
    .selectAll()
    .where((e) => ofOpenOperation(e))
    .execute();
  return [...held, ...recent.reverse()];
}

function byHost(backups: readonly Backup[]): Record<string, readonly Backup[]> {
  const grouped: Record<string, Backup[]> = {};
  for (const backup of backups) (grouped[backup.host] ??= []).push(backup);
  return grouped;
}
