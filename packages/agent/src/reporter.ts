// When an agent tells: at the controller's interval, and at once when something happened, with a small gap. A
// section that did not change is left out once the controller has answered a report that held it.
import type { Clock } from '@leafward/shared/clock.js';
import { messageOf } from '@leafward/shared/errors.js';
import type {
  Backup,
  CellCertificate,
  DutyFact,
  Finding,
  HostFact,
  MemberFact,
  Memory,
  Outcome,
  Report,
} from '@leafward/shared/gen/domain.js';
import { ReportSchema } from '@leafward/shared/gen/leafward/v1/agent_pb.js';
import type { Logger } from '@leafward/shared/log.js';
import { fitted } from '@leafward/shared/rpc/fit.js';
import { within } from './checks/single-flight.js';
import { buildReport } from './report.js';

export interface ReporterOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Host-monotonic milliseconds, for permits. */
  readonly monotonic: () => number;
  readonly send: (report: Report) => boolean;
  readonly observeHost: () => Promise<HostFact>;
  /** A new array when something changed, the same one when not. */
  readonly findings: () => readonly Finding[];
  /** Go with the findings. */
  readonly certificates?: (() => readonly CellCertificate[]) | undefined;
  readonly backups: () => readonly Backup[];
  readonly duties: () => readonly DutyFact[];
  readonly members: () => readonly MemberFact[];
  readonly outcomes: () => readonly Outcome[];
  /** Told while a controller has lost its store; as `backups`. */
  readonly memory: () => readonly [Memory];
  readonly generation: () => number;
  /** False: nothing was seen yet, so there is nothing to tell. */
  readonly isReady: () => boolean;
  readonly refusedOrders: () => number;
}

export interface Reporter {
  /** `rebuilding`: this controller asks what this agent remembers. */
  welcomed(everyMs: number, rebuilding?: boolean): void;
  disconnected(): void;
  /** Host-monotonic moment when that report was handed over; undefined when it is not known any more. */
  answered(sequence: number, everyMs: number): number | undefined;
  /** A new interval out of turn; the next report is due at once. */
  paced(everyMs: number): void;
  soon(): void;
  everyMs(): number;
  stop(): void;
}

const DEFAULT_EVERY_MS = 5000;
const MIN_GAP_MS = 100;
const MAX_EVERY_MS = 60_000;
const MAX_UNANSWERED = 64;
/** Figures of the host need not be fresher than this: they cost more than all the rest of a report. */
const HOST_FACT_MS = 14_000;
/** Twice what a volume that hangs may take of it. */
const HOST_DEADLINE_MS = 1000;

export function createReporter(options: ReporterOptions): Reporter {
  return new TimedReporter(options);
}

interface Section<T> {
  sent: readonly T[] | undefined;
  sentIn: number;
  answered: boolean;
}

class TimedReporter implements Reporter {
  #everyMs = DEFAULT_EVERY_MS;
  #connected = false;
  #sequence = 0;
  #lastSent = -Infinity;
  #timer: NodeJS.Timeout | undefined;
  #dueAt = Infinity;
  #sending = false;
  #again = false;
  #stopped = false;
  readonly #unanswered = new Map<number, number>();
  #findings: Section<Finding> = emptySection();
  #backups: Section<Backup> = emptySection();
  #duties: Section<DutyFact> = emptySection();
  #memory: Section<Memory> = emptySection();
  #rebuilding = false;
  #host: { readonly at: number; readonly fact: HostFact } | undefined;

  constructor(readonly options: ReporterOptions) {}

  welcomed(everyMs: number, rebuilding = false): void {
    this.#connected = true;
    this.#rebuilding = rebuilding;
    this.#memory = emptySection();
    this.#unanswered.clear();
    this.#findings = emptySection();
    this.#backups = emptySection();
    this.#duties = emptySection();
    this.#setInterval(everyMs);
    this.soon();
  }

  disconnected(): void {
    this.#connected = false;
    this.#everyMs = DEFAULT_EVERY_MS;
    this.#schedule(Infinity);
  }

  answered(sequence: number, everyMs: number): number | undefined {
    for (const section of [this.#findings, this.#backups, this.#duties, this.#memory])
      if (sequence >= section.sentIn && section.sent !== undefined) section.answered = true;
    this.#setInterval(everyMs);
    const sentAt = this.#unanswered.get(sequence);
    for (const known of this.#unanswered.keys())
      if (known <= sequence) this.#unanswered.delete(known);
    return sentAt;
  }

  paced(everyMs: number): void {
    this.#setInterval(everyMs);
    this.soon();
  }

  soon(): void {
    if (!this.#connected || this.#stopped) return;
    if (this.#sending) {
      this.#again = true;
      return;
    }
    const since = this.options.clock.monotonic() - this.#lastSent;
    this.#schedule(Math.max(0, MIN_GAP_MS - since));
  }

  everyMs(): number {
    return this.#everyMs;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #setInterval(everyMs: number): void {
    const next = Math.min(MAX_EVERY_MS, Math.max(MIN_GAP_MS, everyMs));
    if (next < this.#everyMs) this.#schedule(next);
    this.#everyMs = next;
  }

  /** Keeps the sooner of the two; Infinity takes it back. */
  #schedule(inMs: number): void {
    const at = this.options.clock.monotonic() + inMs;
    if (inMs !== Infinity && at >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = at;
    if (inMs === Infinity || this.#stopped) return;
    this.#timer = setTimeout(() => void this.#send(), inMs);
  }

  async #send(): Promise<void> {
    this.#dueAt = Infinity;
    if (!this.#connected || this.#stopped) return;
    if (!this.options.isReady()) return this.#schedule(MIN_GAP_MS);
    this.#sending = true;
    this.#again = false;
    try {
      const host = await this.#hostFact();
      const sequence = this.#sequence + 1;
      const [memory] = this.#rebuilding
        ? (openSection(this.#memory, this.options.memory(), sequence) ?? [])
        : [];
      const report = buildReport({
        sequence,
        sentAt: this.options.clock.now(),
        generation: this.options.generation(),
        host,
        members: this.options.members(),
        // One message takes what is remembered, or these: both may be large.
        findings: memory
          ? undefined
          : openSection(this.#findings, this.options.findings(), sequence),
        certificates: this.options.certificates?.() ?? [],
        backups: memory ? undefined : openSection(this.#backups, this.options.backups(), sequence),
        duties: memory ? undefined : openSection(this.#duties, this.options.duties(), sequence),
        outcomes: this.options.outcomes(),
        refusedOrders: this.options.refusedOrders(),
      });
      // Taken before it leaves, so that a permit is never longer than the controller means.
      const sentAt = this.options.monotonic();
      // An order is told as it was given: cut or rounded it would be another one.
      if (this.options.send({ ...this.#fitted(report), memory })) this.#remember(sequence, sentAt);
    } catch (error) {
      this.options.log.error({ err: error }, `no report: ${messageOf(error)}`);
    } finally {
      this.#sending = false;
      this.#lastSent = this.options.clock.monotonic();
      this.#schedule(this.#again ? MIN_GAP_MS : this.#everyMs);
    }
  }

  /** One odd figure of one member or volume must not keep the whole host from being heard. */
  #fitted(report: Report): Report {
    return fitted(ReportSchema, report, (where) => {
      const place = where.replace(/\[\d+\]/g, '[]');
      if (this.#misfits.has(place)) return;
      this.#misfits.add(place);
      this.options.log.warn({ where: place }, `told otherwise than it was seen: ${where}`);
    });
  }
  /** Told once each; there are as many as fields. */
  readonly #misfits = new Set<string>();

  #remember(sequence: number, sentAt: number): void {
    this.#sequence = sequence;
    this.#unanswered.set(sequence, sentAt);
    const oldest = this.#unanswered.keys().next().value;
    if (this.#unanswered.size > MAX_UNANSWERED && oldest !== undefined)
      this.#unanswered.delete(oldest);
  }

  /** Undefined: the host does not say; its members are told all the same. */
  async #hostFact(): Promise<HostFact | undefined> {
    const now = this.options.clock.monotonic();
    if (this.#host !== undefined && now - this.#host.at <= HOST_FACT_MS) return this.#host.fact;
    try {
      const limit = { what: 'look at the host', deadlineMs: HOST_DEADLINE_MS };
      this.#host = { at: now, fact: await within(this.options.observeHost(), limit) };
      return this.#host.fact;
    } catch (error) {
      this.options.log.warn(`no figures of the host: ${messageOf(error)}`);
      return undefined;
    }
  }
}

function emptySection<T>(): Section<T> {
  return { sent: undefined, sentIn: 0, answered: false };
}

/** The section while it is new or unanswered: a report that waits may be replaced by a newer one. */
function openSection<T>(
  section: Section<T>,
  value: readonly T[],
  sequence: number,
): readonly T[] | undefined {
  if (section.sent === value && section.answered) return undefined;
  if (section.sent !== value) {
    section.sent = value;
    section.sentIn = sequence;
    section.answered = false;
  }
  return value;
}
