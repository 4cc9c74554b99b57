// The one memory image of the fleet and the only way to change it: durable first, then visible. Changes are
// decided on a snapshot that nothing can overtake, since decisions and commits run one at a time.
import { LeafwardError } from '@leafward/shared/errors.js';
import type {
  Backup,
  HostIntent,
  Operation,
  Outcome,
  Waiver,
} from '@leafward/shared/gen/domain.js';
import { parseManifest } from '@leafward/shared/manifest/parse.js';
import type { Manifest } from '@leafward/shared/manifest/types.js';
import type { Clock } from '@leafward/shared/clock.js';
import type { Change } from './changes.js';
import { unknownHost, type LiveHost } from './live-hosts.js';
import { createHistory } from './move-history.js';
import { createTenure, OWNED_MS } from './ownership.js';
import {
  newestFirst,
  orderLeases,
  otherSecrets,
  otherWaivers,
  withAutomatic,
  withOperation,
} from './image-parts.js';
import { addPending, withOutcome } from './image-requests.js';
import { createInLine } from './in-line.js';
import { createOlderCopies, type OlderCopies } from './older-copy.js';
import { withRehearsal } from './rehearsals.js';
import type { Known } from './report-changes.js';
import type { StoredSecret } from './secrets/seal.js';
import { createToldOnce, type ToldOnce } from './secrets/told-once.js';
import { versionsOf } from './secrets/uses.js';
import type {
  AutomaticState,
  HostState,
  RebuildState,
  Rehearsal,
  RequestState,
  ServiceState,
  Snapshot,
} from './snapshot.js';
import type { FleetStore, StoredFleet } from './store/fleet-store.js';

/** What the identities say of a host: who may connect, until when. */
export interface HostIdentity {
  readonly name: string;
  readonly revoked: boolean;
  readonly certificateExpiresAt?: number | undefined;
}

export interface Fleet {
  readonly name: string;
  /** Rises while this one is in charge only when a lost store is rebuilt. */
  readonly epoch: number;
  snapshot(): Snapshot;
  /** Parts of the snapshot that every report needs, without the cost of a whole one. */
  intent(host: string): HostIntent | undefined;
  services(): Readonly<Record<string, ServiceState>>;
  operations(): readonly Operation[];
  readonly backups: readonly Backup[];
  /** Requests of a host that have no outcome yet, oldest first. */
  pending(host: string): readonly RequestState[];
  outcome(requestId: string): Outcome | undefined;
  /** False: nobody may be told that a term is current; another controller may have taken over. */
  isOwner(): Promise<boolean>;
  /** What a host's report is compared with: all requests, its own backups. */
  knownOf(host: string): Known;
  host(name: string): LiveHost;
  setHost(host: LiveHost): void;
  liveHosts(): readonly LiveHost[];
  setIdentities(hosts: readonly HostIdentity[]): void;
  identity(name: string): HostIdentity | undefined;
  /** All versions that are kept, sealed, and what is left of removed ones. */
  secrets(): readonly StoredSecret[];
  /** Words of requests and outcomes that no commit writes down. */
  readonly words: ToldOnce;
  /** Shows a running operation's newest waits; memory only. */
  showOperation(operation: Operation): void;
  /** The same for what a failover that acts alone has in mind. */
  showAutomatic(service: string, state: AutomaticState): void;
  rebuild(): RebuildState | undefined;
  /** Whether the store has forgotten what an agent knows; shown in every snapshot. */
  readonly olderCopy: OlderCopies;
  /** An agent knows this epoch, which a lost store has forgotten: this one goes on above it. */
  raiseEpoch(above: number): Promise<void>;
  /** Called after each commit with what changed. */
  onCommit(listener: (changes: readonly Change[]) => void): void;
  /**
   * Decides on a fresh snapshot and commits what was decided, with nothing in between.
   * @throws what `decide` throws (nothing is changed), or LeafwardError `stale` when another controller took over.
   */
  transact<T>(decide: (snapshot: Snapshot) => Decision<T>): Promise<T>;
}

export interface Decision<T> {
  readonly changes: readonly Change[];
  readonly value: T;
}

export interface FleetOptions {
  readonly name: string;
  readonly store: FleetStore;
  readonly clock: Clock;
  /** Another controller took the store over: whatever this one would say from now on is old (I11). */
  readonly onReplaced?: (error: LeafwardError) => void;
}

/** Takes the store over and reads it. @throws LeafwardError when the store cannot be read. */
export async function openFleet(options: FleetOptions): Promise<Fleet> {
  const epoch = await options.store.takeOver();
  const image = imageOf(await options.store.load());
  return createFleet(options, epoch, image);
}

interface FleetImage {
  manifest: Manifest | undefined;
  services: Readonly<Record<string, ServiceState>>;
  intents: Readonly<Record<string, HostIntent>>;
  requests: Readonly<Record<string, RequestState>>;
  readonly pending: Map<string, RequestState[]>;
  operations: readonly Operation[];
  backupsByHost: Readonly<Record<string, readonly Backup[]>>;
  /** All of them, newest first; made anew only when one host's list changes. */
  backups: readonly Backup[];
  waivers: readonly Waiver[];
  secrets: readonly StoredSecret[];
  readonly live: Map<string, LiveHost>;
  /** Hosts as the last snapshot showed them, with what they were made of. */
  readonly states: Map<string, { readonly live: LiveHost; readonly state: HostState }>;
  readonly identities: Map<string, HostIdentity>;
  readonly history: ReturnType<typeof createHistory>;
  rebuild: RebuildState | undefined;
  rehearsals: readonly Rehearsal[];
}

function imageOf(stored: StoredFleet): FleetImage {
  const live = new Map<string, LiveHost>();
  for (const [name, fact] of Object.entries(stored.hostFacts))
    live.set(name, {
      ...(fact.body as LiveHost),
      name,
      session: undefined,
      answeredAtMs: undefined,
    });
  // What was ordered after a host was remembered.
  for (const order of Object.values(stored.intents)) orderLeases(live, order);
  const pending = new Map<string, RequestState[]>();
  for (const state of Object.values(stored.requests)) addPending(pending, state);
  const history = createHistory();
  for (const { key, ms } of stored.durations) history.add(key, ms);
  return {
    manifest: manifestOf(stored.manifestText),
    services: stored.services,
    intents: stored.intents,
    requests: stored.requests,
    pending,
    operations: stored.operations,
    backupsByHost: stored.backups,
    backups: newestFirst(stored.backups),
    waivers: stored.waivers,
    secrets: stored.secrets,
    live,
    states: new Map(),
    identities: new Map(),
    history,
    rebuild: stored.rebuild,
    rehearsals: stored.rehearsals ?? [],
  };
}

function manifestOf(text: string | undefined): Manifest | undefined {
  if (text === undefined) return undefined;
  const parsed = parseManifest(text);
  return parsed.ok ? parsed.manifest : undefined;
}

function createFleet(options: FleetOptions, takenEpoch: number, image: FleetImage): Fleet {
  const { clock, store } = options;
  // The store was taken over just now; the one before may take this long to see it.
  const aloneSinceMs = clock.monotonic() + OWNED_MS;
  const tenure = createTenure({ clock, store, onLost: options.onReplaced }, takenEpoch);
  const words = createToldOnce(clock);
  const listeners: ((changes: readonly Change[]) => void)[] = [];
  const inLine = createInLine();

  const begun = { controllerStartedAt: clock.now(), aloneSinceMs };
  const olderCopy = createOlderCopies();
  const snapshot = (): Snapshot =>
    snapshotOf(image, {
      ...begun,
      now: clock.now(),
      fleet: options.name,
      epoch: tenure.epoch(),
      monotonicMs: clock.monotonic(),
      olderCopy: olderCopy.found(),
    });
  const commit = async (decided: readonly Change[]): Promise<void> => {
    if (decided.length === 0) return;
    const changes = decided.map((change) => words.withhold(change));
    await store.commit(changes, tenure.epoch()).catch((error: unknown) => {
      if (error instanceof LeafwardError && error.code === 'stale') options.onReplaced?.(error);
      throw error;
    });
    for (const change of changes) applyToImage(image, change);
    for (const listener of listeners) listener(changes);
  };

  return {
    name: options.name,
    get epoch() {
      return tenure.epoch();
    },
    snapshot,
    intent: (host) => image.intents[host],
    services: () => image.services,
    operations: () => image.operations,
    get backups() {
      return image.backups;
    },
    pending: (host) => image.pending.get(host) ?? [],
    isOwner: () => tenure.isOwned(),
    outcome: (id) => image.requests[id]?.outcome,
    knownOf: (host) => ({ requests: image.requests, backups: image.backupsByHost[host] ?? [] }),
    host: (name) => image.live.get(name) ?? unknownHost(name),
    setHost: (host) => void image.live.set(host.name, host),
    liveHosts: () => [...image.live.values()],
    setIdentities: (hosts) => {
      image.identities.clear();
      for (const host of hosts) image.identities.set(host.name, host);
    },
    identity: (name) => image.identities.get(name),
    secrets: () => image.secrets,
    words,
    showOperation: (operation) => {
      image.operations = withOperation(image.operations, operation);
    },
    showAutomatic: (service, state) => applyToImage(image, { kind: 'automatic', service, state }),
    rebuild: () => image.rebuild,
    olderCopy,
    // None of the commits after it carries the old one.
    raiseEpoch: (above) => inLine(() => tenure.raiseAbove(above)),
    onCommit: (listener) => void listeners.push(listener),
    transact: (decide) =>
      inLine(async () => {
        const { changes, value } = decide(snapshot());
        await commit(changes);
        return value;
      }),
  };
}

type Own = Omit<Snapshot, keyof FleetImage | 'hosts' | 'history'>;

/** Made for every decision; parts that are spread behind others would cost more than all the rest. */
function snapshotOf(image: FleetImage, own: Own): Snapshot {
  return {
    ...own,
    manifest: image.manifest,
    services: image.services,
    hosts: hostStates(image),
    requests: image.requests,
    backups: image.backups,
    operations: image.operations,
    waivers: image.waivers.filter((waiver) => waiver.until > own.now),
    history: image.history.medians(),
    secrets: versionsOf(image.secrets),
    rebuild: image.rebuild,
    rehearsals: image.rehearsals,
  };
}

function hostStates(image: FleetImage): Readonly<Record<string, HostState>> {
  const names = new Set([
    ...image.identities.keys(),
    ...Object.keys(image.intents),
    ...(image.manifest?.hosts.map((host) => host.name) ?? []),
  ]);
  const states: Record<string, HostState> = {};
  for (const name of names) states[name] = hostStateOf(image, name);
  return states;
}

/** The same object as long as nothing of the host changed. */
function hostStateOf(image: FleetImage, name: string): HostState {
  const live = image.live.get(name) ?? unknownHost(name);
  const identity = image.identities.get(name);
  const intent = image.intents[name];
  const known = image.states.get(name);
  if (
    known?.live === live &&
    known.state.intent === intent &&
    known.state.enrolled === (identity !== undefined) &&
    known.state.revoked === (identity?.revoked ?? false) &&
    known.state.certificateExpiresAt === identity?.certificateExpiresAt
  )
    return known.state;
  const state: HostState = {
    name,
    enrolled: identity !== undefined,
    revoked: identity?.revoked ?? false,
    connected: live.session !== undefined,
    lastSeenAt: live.lastSeenAt,
    clockOffsetMs: live.clockOffsetMs,
    certificateExpiresAt: identity?.certificateExpiresAt,
    intent,
    answeredAtMs: live.answeredAtMs,
    leases: live.leases,
    acceptedGeneration: live.acceptedGeneration,
    refusedIntent: live.refusedIntent,
    fact: live.fact,
    members: live.members,
    findings: live.findings,
    certificates: live.certificates,
    growth: live.growth,
    schedule: live.schedule,
  };
  image.states.set(name, { live, state });
  return state;
}

function applyToImage(image: FleetImage, change: Change): void {
  switch (change.kind) {
    case 'manifest':
      image.manifest = manifestOf(change.text);
      return;
    case 'service':
      image.services = { ...image.services, [change.name]: change.state };
      return;
    case 'automatic':
      image.services = withAutomatic(image.services, change.service, change.state);
      return;
    case 'intent':
      image.intents = { ...image.intents, [change.intent.host]: change.intent };
      orderLeases(image.live, change.intent);
      return;
    case 'request':
      image.requests = { ...image.requests, [change.state.request.id]: change.state };
      addPending(image.pending, change.state);
      return;
    case 'outcome':
      image.requests = withOutcome(image, change.outcome);
      return;
    case 'operation':
      image.operations = withOperation(image.operations, change.operation);
      return;
    case 'backups':
      image.backupsByHost = { ...image.backupsByHost, [change.host]: change.backups };
      image.backups = newestFirst(image.backupsByHost);
      return;
    case 'waiver':
      image.waivers = [...otherWaivers(image, change.waiver), change.waiver];
      return;
    case 'end-waiver':
      image.waivers = otherWaivers(image, change);
      return;
    case 'secret':
      image.secrets = [...otherSecrets(image, change.secret), change.secret];
      return;
    case 'forget-secret':
      image.secrets = otherSecrets(image, change);
      return;
    case 'duration':
      image.history.add(`${change.service}/${change.move}`, change.ms);
      return;
    case 'rehearsal':
      image.rehearsals = withRehearsal(image.rehearsals, change.rehearsal);
      return;
    case 'rebuild':
      image.rebuild = change.rebuild;
      return;
    case 'plan':
      return; // read from the store when asked for
  }
}
