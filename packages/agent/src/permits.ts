// The controller's word that a leader's term is still the current one. Valid from the moment the report
// was *sent* that it answers, on the kernel's monotonic clock: time on the wire never makes it longer.
import {
  closeSync,
  constants,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  writeSync,
} from 'node:fs';
import { assert } from '@leafward/shared/assert.js';
import type { Permit } from '@leafward/shared/gen/domain.js';

/**
 * Milliseconds since this host began, which all its processes share, the time included for which it was suspended:
 * meanwhile a lease runs out like any other time. /proc/uptime is CLOCK_BOOTTIME in hundredths of a second;
 * Node's own clocks stand still in a suspended host. @throws AssertionError where there is no such file.
 */
export function hostMonotonicMs(): number {
  // Held open: a host that is out of descriptors must still know the time.
  uptime ??= openSync('/proc/uptime', 'r');
  const length = readSync(uptime, uptimeBytes, 0, uptimeBytes.length, 0);
  const text = uptimeBytes.toString('latin1', 0, length);
  const match = /^(\d+)\.(\d\d) /.exec(text);
  assert(match !== null, `/proc/uptime says ${JSON.stringify(text)}`);
  return Number(match[1]) * 1000 + Number(match[2]) * 10;
}
let uptime: number | undefined;
/** Asked many times a second, and never by two at once. */
const uptimeBytes = Buffer.alloc(64);

export interface HeldPermit {
  readonly term: number;
  /** Host-monotonic; when the report was sent that this permit answers. */
  readonly renewedAt: number;
  readonly validMs: number;
}

export interface PermitState {
  /** 0 when there is none of this term or it is over. */
  readonly leftMs: number;
  /** Since the last renewal, or since this agent first expected one in this term. */
  readonly ageMs: number;
}

export interface Permits {
  /**
   * What a controller answered to the report that was sent at `sentAt` (host-monotonic): replaces what is known of the
   * members named. Returns how many permits were refused: their controller was replaced, or its store is older (I11).
   */
  renew(permits: readonly Permit[], sentAt: number): number;
  /**
   * A member leads in this term from now on as far as this agent knows: its lease begins, with the last report that a
   * controller answered, since that is the last moment at which the controller can know of it.
   */
  expect(member: string, term: number): void;
  of(member: string, term: number): PermitState;
  /** The newest epoch of a controller that this agent has heard of: by a welcome, an order or a permit. */
  epoch(): number;
  sawEpoch(epoch: number): void;
}

export interface PermitsOptions {
  readonly monotonic: () => number;
  /**
   * Where renewals are kept over a restart of the agent, so that a restart never lengthens a leader's lease.
   * Not fsynced: what a power cut could lose is of no use after it.
   */
  readonly path: string;
  readonly bootId: string;
  /** Another process only looks at what the agent holds. */
  readonly looksOnly?: boolean;
}

export function openPermits(options: PermitsOptions): Permits {
  // An agent that was started anew starts no leader on a word that its predecessor got: while neither ran, the
  // controller may have been told that this host is off and have given the leadership away (I1, I2).
  const held = new Map<string, HeldPermit>(
    readHeld(options).map(([member, permit]) => [
      member,
      options.looksOnly === true ? permit : { ...permit, validMs: 0 },
    ]),
  );
  let newestEpoch = readEpoch(options);
  let answeredAt: number | undefined;
  const keep = (): void => writeHeld(options, held, newestEpoch);
  return {
    renew(permits, sentAt) {
      answeredAt = Math.max(answeredAt ?? sentAt, sentAt);
      if (permits.length === 0) return 0;
      // A controller that says no epoch is older than this agent; the epoch of its welcome was asked.
      const current = permits.filter(({ epoch }) => epoch === undefined || epoch >= newestEpoch);
      for (const { member, term, validMs, epoch } of current) {
        newestEpoch = Math.max(newestEpoch, epoch ?? 0);
        const known = held.get(member);
        if (known !== undefined && known.term > term) continue; // answers may overtake an intent
        if (known !== undefined && known.term === term && known.renewedAt >= sentAt) continue;
        held.set(member, { term, renewedAt: sentAt, validMs });
      }
      keep();
      return permits.length - current.length;
    },
    expect(member, term) {
      if ((held.get(member)?.term ?? -1) >= term) return;
      held.set(member, { term, renewedAt: answeredAt ?? options.monotonic(), validMs: 0 });
      keep();
    },
    epoch: () => newestEpoch,
    sawEpoch(epoch) {
      if (epoch <= newestEpoch) return;
      newestEpoch = epoch;
      keep();
    },
    of(member, term) {
      const permit = held.get(member);
      if (permit === undefined) return { leftMs: 0, ageMs: 0 };
      const ageMs = Math.max(0, options.monotonic() - permit.renewedAt);
      if (permit.term !== term) return { leftMs: 0, ageMs };
      return { leftMs: Math.max(0, permit.validMs - ageMs), ageMs };
    },
  };
}

interface HeldFile {
  readonly bootId: string;
  readonly held: readonly (readonly [string, HeldPermit])[];
  /** Missing in a file of an agent that did not know it. */
  readonly epoch?: number | undefined;
}

function readFile({ path }: PermitsOptions): HeldFile | undefined {
  try {
    // The first line only: an agent that died before it cut the file left the end of a longer one.
    const [line = ''] = readFileSync(path, 'utf8').split('\n', 1);
    return JSON.parse(line) as HeldFile;
  } catch {
    return undefined; // as if there had never been one: the strict side
  }
}

function readHeld(options: PermitsOptions): HeldFile['held'] {
  const file = readFile(options);
  return file?.bootId === options.bootId && file.held instanceof Array ? file.held : [];
}

/** Also of an earlier boot: a controller that was replaced stays replaced. */
function readEpoch(options: PermitsOptions): number {
  const epoch = readFile(options)?.epoch;
  return Number.isSafeInteger(epoch) ? (epoch ?? 0) : 0;
}

function writeHeld(
  options: PermitsOptions,
  held: ReadonlyMap<string, HeldPermit>,
  epoch: number,
): void {
  const file: HeldFile = { bootId: options.bootId, held: [...held], epoch };
  const text = Buffer.from(`${JSON.stringify(file)}\n`);
  try {
    // In place: a rename over a file makes ext4 write it out, at every heartbeat; one small write is whole
    // or not at all for a process that dies.
    const opened = openSync(options.path, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      writeSync(opened, text, 0, text.length, 0);
      ftruncateSync(opened, text.length);
    } finally {
      closeSync(opened);
    }
  } catch {
    // A full disk only makes the next start of the agent stricter.
  }
}
