// Carries out what members' duties of backups and drills ask for: looks now and then, writes down, makes requests of this
// agent's own, which are then as any others. Decides nothing (decide.ts) and needs no controller.
import type { Clock } from '@leafward/shared/clock.js';
import type {
  Backup,
  BackupDuty,
  DutyFact,
  MemberFact,
  MemberIntent,
  Request,
  ServiceWords,
} from '@leafward/shared/gen/domain.js';
import type { Logger } from '@leafward/shared/log.js';
import { startLoop, type Loop } from '@leafward/shared/loop.js';
import { problemOfSchedule } from '@leafward/shared/schedule.js';
import { scheduledId } from '@leafward/shared/scheduled.js';
import { canonicalJson } from '@leafward/shared/spec-digest.js';
import type { Catalogue } from '../backups/catalogue.js';
import type { Journal } from '../journal.js';
import type { Requests } from '../requests.js';
import { attemptsOf } from './attempts.js';
import { decideDrill } from './decide-drill.js';
import { decide, scheduleKey, type Decision } from './decide.js';
import { dutyKey, type DutyMemory } from './memory.js';
import { momentsOf, type Moments } from './moments.js';
import { heavyWork, obstacleTo, type Surroundings } from './obstacle.js';
import { createWords } from './words.js';

export interface DutiesOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly journal: Pick<Journal, 'state' | 'append'>;
  readonly catalogue: Pick<Catalogue, 'list'>;
  readonly requests: Pick<Requests, 'receive'>;
  readonly members: () => readonly MemberFact[];
  readonly isBusy: (member: string) => boolean;
  /** Something is to be told. */
  readonly onChange: () => void;
}

export interface Duties {
  /** The same array until something changes. */
  facts(): readonly DutyFact[];
  /** What a controller says of the services with every answer. */
  heard(words: ServiceWords | undefined): void;
  /** What goes on with a service, as far as its controller was heard. */
  operationOn(service: string): string | undefined;
  /** A new order, or the end of an act: look again soon. */
  wake(): void;
  stop(): Promise<void>;
}

/** So late a backup may begin after its moment; a look is some milliseconds of work. */
const LOOK_EVERY_MS = 5000;
const PASS_DEADLINE_MS = 60_000;
/** An agent that begins hears of what others did within a session's start. */
const HEARS_WITHIN_MS = 60_000;
/** A request that could not be written down: its disk is full, or its volume is gone. */
const UNWRITTEN_MS = 60_000;
/** Once it is copied; a service that migrates gets more by itself. */
const DRILL_TIMEOUT_MS = 30 * 60_000;

/** The loop begins with the first order that has a duty: an agent without one is left at rest. */
export function createDuties(options: DutiesOptions): Duties {
  return new KeptDuties(options);
}

type DutyIntent = MemberIntent & { readonly backupDuty: BackupDuty };

class KeptDuties implements Duties {
  readonly #words;
  readonly #startedAt: number;
  readonly #moments = new Map<string, Moments | undefined>();
  /** Monotonic; by member. */
  readonly #heldUntil = new Map<string, number>();
  #facts: readonly DutyFact[] = [];
  #told = '[]';
  #loop: Loop | undefined;
  #stopped = false;

  constructor(readonly options: DutiesOptions) {
    this.#startedAt = options.clock.monotonic();
    this.#words = createWords(() => options.clock.monotonic());
  }

  facts(): readonly DutyFact[] {
    return this.#facts;
  }

  operationOn(service: string): string | undefined {
    return this.#words.of(service)?.operation;
  }

  heard(words: ServiceWords | undefined): void {
    if (this.#words.heard(words)) this.wake();
  }

  wake(): void {
    if (this.#loop !== undefined) return this.#loop.wake();
    if (this.#stopped || this.#intents().length === 0) return;
    const { clock, log } = this.options;
    this.#loop = startLoop({
      name: 'duties',
      clock,
      log,
      everyMs: LOOK_EVERY_MS,
      deadlineMs: PASS_DEADLINE_MS,
      pass: (signal) => this.#pass(signal),
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loop?.stop();
  }

  #intents(): readonly DutyIntent[] {
    return (this.options.journal.state.intent?.members ?? []).filter(
      (intent): intent is DutyIntent => {
        const { backupDuty: duty, run } = intent;
        const isTimed = duty?.schedule !== undefined || duty?.drillSchedule !== undefined;
        return isTimed && (run === 'running' || run === 'stopped');
      },
    );
  }

  async #pass(signal: AbortSignal): Promise<string | undefined> {
    const facts: DutyFact[] = [];
    const begun: string[] = [];
    for (const intent of this.#intents()) {
      if (signal.aborted) return undefined;
      const fact = await this.#backUp(intent, begun);
      const nextDrillAt = await this.#drill(intent, begun);
      facts.push({ ...fact, nextDrillAt });
    }
    this.#tell(facts);
    return begun.length === 0 ? undefined : `begun: ${begun.join(', ')}`;
  }

  #tell(facts: readonly DutyFact[]): void {
    const told = canonicalJson(facts);
    if (told === this.#told) return;
    this.#told = told;
    this.#facts = facts;
    this.options.onChange();
  }

  async #backUp(intent: DutyIntent, begun: string[]): Promise<DutyFact> {
    const { member, service, backupDuty: duty } = intent;
    const moments = this.#momentsOf(duty.schedule, intent, 'backup');
    if (moments === undefined) return { member, service, failures: 0 };
    const { act, records, fact } = this.#decide(intent, moments);
    for (const record of records) await this.options.journal.append(record);
    if (act.kind === 'begin') {
      const { due, attempt } = act;
      const id = scheduledId('scheduled', { member, due, attempt });
      const { databaseBackup } = this.#words.of(service) ?? {};
      const name = nameAt(this.options.clock.now());
      await this.#request(intent, {
        ...this.#common(id, intent),
        kind: 'run-backup',
        name,
        databaseBackup,
        scheduledFor: due,
      });
      begun.push(id);
    }
    return fact;
  }

  #decide(intent: DutyIntent, moments: Moments): Decision {
    const { clock, journal, catalogue } = this.options;
    const { member, service, backupDuty: duty } = intent;
    const { requests } = journal.state;
    const word = this.#words.of(service);
    const sinceStartMs = clock.monotonic() - this.#startedAt;
    return decide({
      now: clock.now(),
      member,
      service,
      duty,
      standsBack: intent.role === 'leader' && intent.mirrored,
      moments,
      memory: this.#memoryOf(intent, 'backup', duty.schedule),
      attempts: attemptsOf('scheduled', member, requests),
      backups: catalogue.list().filter((one) => one.service === service),
      newestElsewhere: word?.newestBackupAt,
      hears: word?.isFresh === true,
      isFresh: word === undefined && sinceStartMs < HEARS_WITHIN_MS,
      obstacle: this.#held(member) ?? obstacleTo(intent, this.#around(word?.operation)),
    });
  }

  async #drill(intent: DutyIntent, begun: string[]): Promise<number | undefined> {
    const { clock, journal } = this.options;
    const { member, service, backupDuty: duty } = intent;
    const moments = this.#momentsOf(duty.drillSchedule, intent, 'drill');
    // One host's backups of a service are drilled once, whoever of it lives there.
    const first = this.#intents().find((one) => one.service === service);
    if (moments === undefined || first?.member !== member) return undefined;
    const begunFor = attemptsOf('drill-by-schedule', member, journal.state.requests);
    const decision = decideDrill({
      now: clock.now(),
      member,
      duty,
      moments,
      memory: this.#memoryOf(intent, 'drill', duty.drillSchedule),
      begun: begunFor.map(({ due }) => due),
      backups: this.options.catalogue.list().filter((one) => one.service === service),
      obstacle: this.#held(member) ?? heavyWork(journal.state),
    });
    for (const record of decision.records) await journal.append(record);
    if (decision.begin !== undefined) {
      const { due, backup } = decision.begin;
      const id = scheduledId('drill-by-schedule', { member, due, attempt: 1 });
      await this.#request(intent, this.#drillOf(intent, backup, id));
      begun.push(id);
    }
    return decision.nextAt;
  }

  /** Its own member's image and settings, as long as that is of this host. */
  #drillOf(intent: DutyIntent, backup: Backup, id: string): Request {
    const all = this.options.journal.state.intent?.members ?? [];
    const own = all.find(({ member }) => member === backup.member) ?? intent;
    return {
      ...this.#common(id, own),
      kind: 'drill-backup',
      path: backup.path,
      timeoutMs: DRILL_TIMEOUT_MS,
    };
  }

  #common(id: string, { member, service, term }: MemberIntent) {
    const { intent, terms } = this.options.journal.state;
    // It begins now or never: there is nothing that it could be too late for.
    return { id, epoch: intent?.epoch ?? 0, expiresAt: 0, member, term: terms[service] ?? term };
  }

  async #request({ member }: MemberIntent, request: Request): Promise<void> {
    const { requests, journal, clock } = this.options;
    await requests.receive(request);
    if (journal.state.requests[request.id] === undefined)
      this.#heldUntil.set(member, clock.monotonic() + UNWRITTEN_MS);
  }

  #held(member: string): string | undefined {
    const isHeld = (this.#heldUntil.get(member) ?? 0) > this.options.clock.monotonic();
    return isHeld ? 'the agent could not write down that it begins' : undefined;
  }

  #around(operation: string | undefined): Surroundings {
    const { journal, members, isBusy } = this.options;
    return { requests: journal.state.requests, facts: members(), isBusy, operation };
  }

  #memoryOf(
    { member, backupDuty }: DutyIntent,
    of: 'backup' | 'drill',
    cron = '',
  ): DutyMemory | undefined {
    const known = this.options.journal.state.duties?.[dutyKey(member, of)];
    return known?.schedule === scheduleKey(cron, backupDuty.timeZone) ? known : undefined;
  }

  /** Undefined: there is no schedule, or none that this agent can read. */
  #momentsOf(
    cron: string | undefined,
    { member, service, backupDuty }: DutyIntent,
    of: 'backup' | 'drill',
  ): Moments | undefined {
    if (cron === undefined) return undefined;
    const { timeZone, jitterMs } = backupDuty;
    // A drill reads a backup and stops nobody: it may come at any time of the day.
    const window = of === 'backup' ? backupDuty.window : undefined;
    const key = canonicalJson([cron, timeZone, jitterMs, window, service, member, of]);
    if (this.#moments.has(key)) return this.#moments.get(key);
    const problem = problemOfSchedule(cron, timeZone);
    if (problem !== undefined)
      this.options.log.error({ member }, `no ${of} by its schedule: ${problem}`);
    const made =
      problem === undefined
        ? momentsOf(cron, { timeZone, jitterMs, window }, `${of} ${service} ${member}`)
        : undefined;
    if (this.#moments.size >= MOST_MOMENTS) this.#moments.clear();
    this.#moments.set(key, made);
    return made;
  }
}
/** More than a host has members; orders come and go. */
const MOST_MOMENTS = 1000;

/** As a controller draws names: 20261121T130921Z */
const nameAt = (now: number): string =>
  new Date(now).toISOString().replaceAll(/[-:]/g, '').replace(/\.\d+/, '');
