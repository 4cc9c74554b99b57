// The engine for Vertex Synapse: Telepath over the socket in the member's storage, and the files beside it.
import { isAbort, LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { EngineFact, Registry } from '@leafward/shared/gen/domain.js';
import type { Engine, EngineMember, EngineParts, NewPlace } from '../engine.js';
import { isRegistry, issueUrl, readRegistry, refuseTaken, withdrawUrl } from './aha.js';
import { backUp, isBackingUp } from './backup.js';
import { backupRoom } from './backup-room.js';
import { synapseCare } from './care/care.js';
import { probeHistory } from './history.js';
import { migrationIn } from './migration-line.js';
import { observeCell } from './observe.js';
import { probeCell } from './probe-leader.js';
import { promote } from './promote.js';
import { clearUrl, offerUrl, readProvisioningFiles } from './provisioning.js';
import { restore } from './restore.js';
import { fillFromBackup, keepOwn } from './from-backup.js';
import { readStoredRole, writeRetired, writeRole } from './stored-role.js';
import { socketOf } from './telepath/address.js';
import { createHeldLink, type HeldLink } from './telepath/held-link.js';
import { openLink, type Link } from './telepath/link.js';
import { stringOf } from './telepath/value.js';

/** Connect and hello take a millisecond and a half on a healthy cell. */
const CONNECT_DEADLINE_MS = 3_000;
/** The health check proves nothing about replication and may be slow: it is asked now and then. */
const HEALTH_EVERY_MS = 30_000;
/** Somebody who was taken off an alias is seen within a look or two. */
const REGISTRY_EVERY_MS = 2_000;
/** URLs that nobody used; of those that an earlier agent asked for nobody has any left. */
const MOST_URLS = 256;

/** What is kept of a member between calls. */
interface Known {
  readonly storage: string;
  readonly held: HeldLink;
  version?: string | undefined;
  health?: string | undefined;
  healthAt?: number | undefined;
  isRegistry?: boolean | undefined;
  registry?: Registry | undefined;
  registryAt?: number | undefined;
  /** By name: the newest URL that was asked for here (I14: in memory only). */
  readonly urls: Map<string, string>;
}

/** Without `parts` nothing is run beside a cell. */
export function createSynapseEngine(parts?: EngineParts): Engine {
  const members = new Map<string, Known>();

  const known = (member: EngineMember): Known => {
    const before = members.get(member.member);
    if (before !== undefined && before.storage === member.spec.storage) return before;
    before?.held.drop();
    const held = createHeldLink(socketOf(member.spec.storage), CONNECT_DEADLINE_MS);
    const fresh: Known = { storage: member.spec.storage, held, urls: new Map() };
    members.set(member.member, fresh);
    return fresh;
  };
  return {
    kind: 'synapse',
    observe: async (member, signal) => {
      try {
        return await observe(known(member), member, signal);
      } catch (error) {
        return { answered: false, error: messageOf(error) };
      }
    },
    readStoredRole: (member) => readStoredRole(member.spec),
    writeRole: (member, wanted) => writeRole(member.spec, wanted),
    writeRetired: (member, newLeaderUrl) => writeRetired(member.spec, newLeaderUrl),
    backupRoom: async (member, signal) => {
      const version = await versionOf(known(member), signal);
      return backupRoom(member.spec, version, signal);
    },
    backup: async (member, options, signal) => {
      const held = createHeldLink(socketOf(member.spec.storage), CONNECT_DEADLINE_MS);
      return backUp(member, held, options, signal).finally(() => held.drop());
    },
    isBackingUp: (member, signal) =>
      withOwnLink(member, signal, (link) => isBackingUp(link, signal)),
    promote: (member, options, signal) =>
      withOwnLink(member, signal, (link) => promote(link, member, options, signal)),
    probeHistory: (member, offset, signal) =>
      withOwnLink(member, signal, (link) => probeHistory(link, offset, signal)),
    probeLeader: (_, options, signal) => probeCell(options, signal),
    migrationIn,
    // A cell fetches what it lacks from its upstream at its first start, and its promotion hands over by itself.
    abilities: () => ({ seeds: false, repoints: false, storesPosition: false }),
    seed: notNeeded('seed'),
    repoint: notNeeded('repoint'),
    stepDown: notNeeded('step down'),
    storedPosition: () => Promise.resolve(undefined),
    restore: (member, options, signal) => restore(member.spec, options, signal),
    fromBackup: {
      keepOwn: (member, options, signal) => keepOwn(member.spec, options, signal),
      fill: (member, options, signal) => fillFromBackup(member.spec, options, signal),
    },
    care: synapseCare(parts, withOwnLink),
    test: () => Promise.resolve([]),
    provisioner: {
      issue: async (member, place, signal) => issue(known(member), place, signal),
      read: (member) => readProvisioningFiles(member.spec),
      offer: (member, url) => offerUrl(member.spec, url),
      clear: (member) => clearUrl(member.spec),
    },
    forget: (member) => {
      members.get(member)?.held.drop();
      members.delete(member);
    },
  };
}

function notNeeded(act: string): (member: EngineMember) => Promise<never> {
  return ({ member }) =>
    Promise.reject(
      new LeafwardError('invalid', `${act} ${member}: a Synapse cell sees to that itself`),
    );
}

async function observe(
  known: Known,
  member: EngineMember,
  signal: AbortSignal,
): Promise<EngineFact> {
  const link = await known.held.get(signal);
  known.version = link.version ?? known.version;
  const now = performance.now();
  const withHealth = known.healthAt === undefined || now - known.healthAt > HEALTH_EVERY_MS;
  const fact = await observeCell(link, member, withHealth, signal);
  if (withHealth) {
    known.health = fact.health;
    known.healthAt = now;
  }
  const registry = fact.active === true ? await registryOf(known, link, signal) : undefined;
  return { ...fact, health: known.health, ...(registry === undefined ? {} : { registry }) };
}

/** Undefined of whoever is none, and while it does not say: that is no reason to take it for dead. */
async function registryOf(
  known: Known,
  link: Link,
  signal: AbortSignal,
): Promise<Registry | undefined> {
  const now = performance.now();
  const isDue = known.registryAt === undefined || now - known.registryAt > REGISTRY_EVERY_MS;
  if (known.isRegistry === false || !isDue) return known.registry;
  known.registryAt = now;
  try {
    known.isRegistry ??= isRegistry(await typeOf(link, signal));
    // A generator takes its link for itself, so it gets one of its own.
    known.registry = known.isRegistry
      ? await withLinkTo(known.storage, signal, (own) => readRegistry(own, signal))
      : undefined;
  } catch (error) {
    if (isAbort(error)) throw error;
    known.registry = undefined;
  }
  return known.registry;
}

async function typeOf(link: Link, signal: AbortSignal): Promise<string | undefined> {
  return stringOf(await link.call({ method: 'getCellType' }, CONNECT_DEADLINE_MS, signal));
}

/** An earlier URL of the same name that nobody used is taken back: there is one at a time. */
async function issue(known: Known, place: NewPlace, signal: AbortSignal): Promise<string> {
  const registry = await withLinkTo(known.storage, signal, (link) => readRegistry(link, signal));
  refuseTaken(registry, place);
  return withLinkTo(known.storage, signal, async (link) => {
    const name = `${place.name}.${place.network}`;
    const before = known.urls.get(name);
    if (before !== undefined) await withdrawUrl(link, before, signal);
    const url = await issueUrl(link, place, signal);
    const [oldest] = known.urls.keys();
    if (known.urls.size >= MOST_URLS && oldest !== undefined) known.urls.delete(oldest);
    known.urls.set(name, url);
    return url;
  });
}

/** The version when the cell answers, else the last one seen, else undefined. */
async function versionOf(known: Known, signal: AbortSignal): Promise<string | undefined> {
  try {
    known.version = (await known.held.get(signal)).version;
  } catch (error) {
    if (isAbort(error)) throw error;
  }
  return known.version;
}

async function withOwnLink<T>(
  member: EngineMember,
  signal: AbortSignal,
  act: (link: Link) => Promise<T>,
): Promise<T> {
  if (signal.aborted) throw new LeafwardError('aborted', `${member.member}: stopped by the caller`);
  return withLinkTo(member.spec.storage, signal, act);
}

async function withLinkTo<T>(
  storage: string,
  signal: AbortSignal,
  act: (link: Link) => Promise<T>,
): Promise<T> {
  const address = socketOf(storage);
  const link = await openLink({ address, deadlineMs: CONNECT_DEADLINE_MS }, signal);
  try {
    return await act(link);
  } finally {
    link.close();
  }
}
