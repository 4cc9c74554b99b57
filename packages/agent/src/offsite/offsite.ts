// Copies of this host's backups in their services' repositories, one piece of work at a time: what the requests and the
// loop of copies do. Must never make anybody wait who takes a backup.
import { basename, join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import type {
  Backup,
  Keep,
  KeepVerdict,
  MemberIntent,
  OffsiteCopy,
  SecretVariables,
} from '@leafward/shared/gen/domain.js';
import type { Catalogue } from '../backups/catalogue.js';
import { holdBrought, whileHeld, type Pins } from '../backups/pins.js';
import { backupDirectoryOf } from '../backups/place.js';
import { checkedCopy, checkRepository, refuseDamaged } from './checking.js';
import { backupOfSnapshot, filterOf } from './copy-tags.js';
import { copyTo } from './copying.js';
import { fetchFrom } from './fetching.js';
import {
  forget,
  judgeCopies,
  prune,
  readMemory,
  recallMemory,
  writeMemory,
} from './keep-copies.js';
import { LEAST_RESTIC } from './least-restic.js';
import { Repository, shownRepository, type RepositoryParts } from './repository.js';
import { isAtLeast, parseVersion } from './restic-output.js';
import { runRestic } from './run-restic.js';

export interface OffsiteTurn {
  readonly onProgress: (text: string) => void;
  readonly signal: AbortSignal;
}

export interface Offsite {
  /** @throws LeafwardError `refused` without a repository, what restic says. */
  copy(backup: Backup, intent: MemberIntent, turn: OffsiteTurn): Promise<Backup>;
  fetch(meant: CopyMeant, intent: MemberIntent, turn: OffsiteTurn): Promise<Backup>;
  /** Marks the copies of this host; says what was found. @throws LeafwardError `failed` when it is damaged. */
  check(dataPercent: number, intent: MemberIntent, turn: OffsiteTurn): Promise<string>;
  /** Newest first. */
  list(intent: MemberIntent, signal: AbortSignal): Promise<readonly Backup[]>;
  /** Takes out what the rules of the repository do not keep of this host's copies, or says what that would be. */
  prune(
    how: { readonly dryRun: boolean },
    intent: MemberIntent,
    turn: OffsiteTurn,
  ): Promise<PrunedCopies>;
  /** Manifests of backups whose copies the rules let go. */
  takenOut(): Promise<ReadonlySet<string>>;
  /** When its rules were last carried out from here, wall clock. Undefined: never. */
  keptAt(intent: MemberIntent): Promise<number | undefined>;
  /** Of restic on this host. @throws LeafwardError `not-found`, `failed` */
  version(signal: AbortSignal): Promise<string>;
}

export interface PrunedCopies {
  readonly message: string;
  readonly verdicts: { readonly verdicts: readonly KeepVerdict[] };
}

export interface CopyMeant {
  readonly backup: string;
  /** Empty: the newest of that name, or the snapshot that is called so. */
  readonly snapshot: string;
}

export interface OffsiteParts extends Omit<RepositoryParts, 'secretsOf'> {
  readonly catalogue: Catalogue;
  readonly pins: Pins;
  readonly secrets: {
    valuesOf(
      what: string,
      variables: SecretVariables | undefined,
    ): Readonly<Record<string, string>>;
  };
}

const VERSION_MS = 10_000;
/** More than this is not read by anybody, nor does it fit into a message. */
const MOST_LISTED = 200;
/** Of a snapshot's id, so that no name of a backup is taken for one. */
const SNAPSHOT = /^[0-9a-f]{8,64}$/;

export function createOffsite(parts: OffsiteParts): Offsite {
  return new HostOffsite(parts);
}

class HostOffsite implements Offsite {
  #last: Promise<unknown> = Promise.resolve();

  constructor(readonly parts: OffsiteParts) {}

  copy(backup: Backup, intent: MemberIntent, turn: OffsiteTurn): Promise<Backup> {
    const { catalogue, pins, host } = this.parts;
    return this.#inTurn(turn, async () => {
      const repository = await this.#repositoryOf(intent, turn.signal);
      const copy = await whileHeld(pins, backup.path, () =>
        copyTo(repository, backup, { ...turn, host }),
      );
      const noted = await catalogue.amend(backup.path, (now) => withCopy(now, copy));
      if (noted !== undefined) return noted;
      throw new LeafwardError('failed', `copy ${backup.name}: it was removed meanwhile`);
    });
  }

  fetch(meant: CopyMeant, intent: MemberIntent, turn: OffsiteTurn): Promise<Backup> {
    const { catalogue, host } = this.parts;
    return this.#inTurn(turn, async () => {
      const repository = await this.#repositoryOf(intent, turn.signal);
      const copy = await findCopy(repository, meant, intent, turn.signal);
      const directory = backupDirectoryOf(intent.spec);
      const version = await this.version(turn.signal);
      const fetched = { copy, directory, catalogue, version };
      return holdBrought(this.parts.pins, join(directory, basename(copy.path)), () =>
        fetchFrom(repository, fetched, { ...turn, host }),
      );
    });
  }

  check(dataPercent: number, intent: MemberIntent, turn: OffsiteTurn): Promise<string> {
    const { catalogue } = this.parts;
    return this.#inTurn(turn, async () => {
      const repository = await this.#repositoryOf(intent, turn.signal);
      const { service } = intent;
      const checked = await checkRepository(repository, { service, dataPercent }, turn);
      let [copies, gone] = [0, 0];
      for (const { path } of catalogue.list().filter((one) => one.service === service))
        await catalogue.amend(path, (now) => {
          const before = now.copies?.copies ?? [];
          const after = before.flatMap((copy) =>
            copy.repository === repository.shown ? (checkedCopy(copy, checked) ?? []) : copy,
          );
          copies += after.length;
          gone += before.length - after.length;
          return withCopies(now, after);
        });
      refuseDamaged(`check the copies of ${service}`, checked);
      const read = checked.hasReadData ? `${dataPercent} % of the data were read` : 'no data read';
      return (
        `${repository.shown}: nothing wrong found, ${read}; copies of ${service}: ${checked.snapshots.size}, ` +
        `of backups on this host: ${copies}` +
        (gone === 0 ? '' : `; known here and there no more: ${gone}`)
      );
    });
  }

  async list(intent: MemberIntent, signal: AbortSignal): Promise<readonly Backup[]> {
    const repository = await this.#repositoryOf(intent, signal);
    try {
      return (await copiesIn(repository, intent.service, signal)).slice(0, MOST_LISTED);
    } catch (error) {
      // Nothing was copied yet.
      const isAbsent = error instanceof LeafwardError && error.code === 'not-found';
      if (isAbsent && !(await repository.wasThere())) return [];
      throw error;
    }
  }

  prune(
    { dryRun }: { readonly dryRun: boolean },
    intent: MemberIntent,
    turn: OffsiteTurn,
  ): Promise<PrunedCopies> {
    const { directory, clock } = this.parts;
    const keep = rulesOf(intent);
    return this.#inTurn(turn, async () => {
      const repository = await this.#repositoryOf(intent, turn.signal);
      const { shown } = repository;
      const all = await copiesIn(repository, intent.service, turn.signal);
      const verdicts = await this.#judge(repository, intent, keep, all);
      const goes = verdicts.filter(({ keeps }) => !keeps).map(({ path }) => path);
      const told = { verdicts: { verdicts: verdicts.slice(0, MOST_LISTED) } };
      const count = `${goes.length} of ${verdicts.length} copies of this host`;
      if (dryRun) return { ...told, message: `${shown}: ${count} would go` };
      await this.#takeOut(repository, intent.service, all.filter(isOneOf(goes)), turn);
      const memory = await readMemory(directory);
      const keptAt = { ...memory.keptAt, [keptKey(intent.service, shown)]: clock.now() };
      writeMemory(directory, { ...memory, keptAt });
      return { ...told, message: `${shown}: ${count} were taken out` };
    });
  }

  async takenOut(): Promise<ReadonlySet<string>> {
    return new Set((await recallMemory(this.parts.directory)).takenOut);
  }

  async keptAt({ service, backupDuty }: MemberIntent): Promise<number | undefined> {
    const offsite = backupDuty?.offsite;
    const { keptAt } = await recallMemory(this.parts.directory);
    return offsite === undefined ? undefined : keptAt[keptKey(service, shownRepository(offsite))];
  }

  async #judge(
    repository: Repository,
    { service, backupDuty }: MemberIntent,
    keep: Keep,
    all: readonly Backup[],
  ): Promise<readonly KeepVerdict[]> {
    const { catalogue, clock, directory, host } = this.parts;
    const own = catalogue.list().filter((one) => one.service === service);
    refuseDamagedCopies(service, repository.shown, own);
    const memory = await readMemory(directory);
    const known = own
      .filter(({ drill }) => drill?.ok === true)
      .map(({ manifestSha256 }) => manifestSha256);
    const proven = [...memory.proven.filter((one) => !known.includes(one)), ...known];
    if (proven.length !== memory.proven.length) writeMemory(directory, { ...memory, proven });
    const timeZone = backupDuty?.timeZone ?? 'UTC';
    const question = { service, host, keep, timeZone, now: clock.now(), proven };
    return judgeCopies(all, question);
  }

  /** Room that an agent could not free before it ended is freed as well. */
  async #takeOut(
    repository: Repository,
    service: string,
    copies: readonly Backup[],
    turn: OffsiteTurn,
  ): Promise<void> {
    const { catalogue, directory } = this.parts;
    const { shown } = repository;
    const snapshots = copies.map(snapshotOf);
    const before = await readMemory(directory);
    if (snapshots.length === 0 && !before.unpruned.includes(shown)) return;
    const others = before.unpruned.filter((one) => one !== shown);
    const takenOut = copies.map(({ manifestSha256 }) => manifestSha256);
    writeMemory(directory, {
      ...before,
      takenOut: [...before.takenOut, ...takenOut],
      unpruned: [...others, shown],
    });
    await forget(repository, snapshots, turn);
    const isGone = (copy: OffsiteCopy): boolean =>
      copy.repository === shown && snapshots.some((id) => id.startsWith(copy.snapshot));
    for (const { path } of catalogue.list().filter((one) => one.service === service))
      await catalogue.amend(path, (now) =>
        withCopies(
          now,
          (now.copies?.copies ?? []).filter((copy) => !isGone(copy)),
        ),
      );
    await prune(repository, turn);
    writeMemory(directory, { ...(await readMemory(directory)), unpruned: others });
  }

  async version(signal: AbortSignal): Promise<string> {
    const { path, redact } = this.parts;
    const what = 'ask restic for its version';
    const within = AbortSignal.any([signal, AbortSignal.timeout(VERSION_MS)]);
    const run = { what, arguments: ['version'], environment: { PATH: path }, redact };
    const version = parseVersion((await runRestic(run, within)).stdout);
    if (version !== undefined) return version;
    throw new LeafwardError('failed', `${what}: its answer is not understood`);
  }

  async #repositoryOf(intent: MemberIntent, signal: AbortSignal): Promise<Repository> {
    const offsite = intent.backupDuty?.offsite;
    if (offsite === undefined)
      throw new LeafwardError(
        'refused',
        `${intent.service} has no repository off the host: say backup.offsite in fleet.yaml and deploy it`,
      );
    const version = await this.version(signal);
    if (!isAtLeast(version, LEAST_RESTIC))
      throw new LeafwardError(
        'failed',
        `restic on host ${this.parts.host} is ${version}, and ${LEAST_RESTIC} is needed: apt-get install restic`,
      );
    const { directory, secrets } = this.parts;
    return new Repository(offsite, {
      ...this.parts,
      directory,
      secretsOf: (what, variables) => secrets.valuesOf(what, variables),
    });
  }

  /** One at a time on a host: each reads all that the disk gives. */
  #inTurn<T>({ onProgress, signal }: OffsiteTurn, work: () => Promise<T>): Promise<T> {
    onProgress('waiting for other work on copies');
    const turn = this.#last.then(() => {
      if (signal.aborted) throw new LeafwardError('aborted', 'work on copies: stopped');
      return work();
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

/** Newest first. */
async function copiesIn(
  repository: Repository,
  service: string,
  signal: AbortSignal,
): Promise<readonly Backup[]> {
  const snapshots = await repository.snapshots({ tags: filterOf({ service }) }, signal);
  return snapshots
    .flatMap((snapshot) => backupOfSnapshot(snapshot, repository.shown) ?? [])
    .sort((a, b) => b.finishedAt - a.finishedAt || copiedAt(b) - copiedAt(a));
}

async function findCopy(
  repository: Repository,
  { backup, snapshot }: CopyMeant,
  { service }: MemberIntent,
  signal: AbortSignal,
): Promise<Backup> {
  const all = await copiesIn(repository, service, signal);
  const found =
    snapshot === ''
      ? (all.find((one) => one.name === backup) ??
        all.find((one) => SNAPSHOT.test(backup) && snapshotOf(one).startsWith(backup)))
      : all.find((one) => snapshotOf(one).startsWith(snapshot));
  if (found !== undefined) return found;
  throw new LeafwardError(
    'not-found',
    `fetch ${backup}: ${repository.shown} has no copy of it; see what it has: leafward backup copies ${service}`,
  );
}

/** @throws LeafwardError `refused` where nothing says which of them stay. */
function rulesOf({ service, backupDuty }: MemberIntent): Keep {
  const keep = backupDuty?.offsite?.keep;
  if (keep !== undefined) return keep;
  throw new LeafwardError(
    'refused',
    `prune the copies of ${service}: no rules say which of them stay; declare backup.offsite.keep of the service`,
  );
}

/** What is left of a damaged repository may be all that there is. */
function refuseDamagedCopies(service: string, shown: string, own: readonly Backup[]): void {
  const copies = own.flatMap(({ copies: known }) => known?.copies ?? []);
  const damaged = copies.find((copy) => copy.repository === shown && copy.problem !== undefined);
  if (damaged === undefined) return;
  throw new LeafwardError(
    'refused',
    `prune the copies of ${service}: ${shown} was found damaged, and nothing is taken out of it: ${damaged.problem ?? ''}; look into it with restic check, then: leafward backup check-copies ${service}`,
  );
}

const keptKey = (service: string, shown: string): string => `${service} ${shown}`;
const snapshotOf = (one: Backup): string => one.copies?.copies[0]?.snapshot ?? '';
const isOneOf =
  (snapshots: readonly string[]) =>
  (one: Backup): boolean =>
    snapshots.includes(snapshotOf(one));

const copiedAt = (backup: Backup): number => backup.copies?.copies[0]?.at ?? 0;

/** One that is known already stays as it is known: when it was checked, what it cost. */
function withCopy(backup: Backup, copy: OffsiteCopy): Backup {
  const before = backup.copies?.copies ?? [];
  const { repository, snapshot } = copy;
  const isKnown = before.some((one) => one.repository === repository && one.snapshot === snapshot);
  if (isKnown) return backup;
  return withCopies(backup, [copy, ...before.filter((one) => one.repository !== repository)]);
}

function withCopies(backup: Backup, copies: readonly OffsiteCopy[]): Backup {
  const { copies: _, ...rest } = backup;
  return copies.length === 0 ? rest : { ...rest, copies: { copies } };
}
