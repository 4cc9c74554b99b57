// Carries out one member's steps in order and has no opinions: journal started, call the driver, journal the
// outcome, stop at the first failure. Must never start on a retired storage or without the permit (I1, I2):
// both are asked once more right before the start, since stopping may have taken long.
import { isAbort, LeafwardError, messageOf } from '@leafward/shared/errors.js';
import { AssertionError, unreachable } from '@leafward/shared/assert.js';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { within } from './checks/single-flight.js';
import { engineMember } from './engines/engine-member.js';
import { performFill } from './fill.js';
import { performProvisioning } from './provisioning.js';
import type { Hands } from './hands.js';
import { makeFirstStorage } from './make-storage.js';
import { readMarker, writeMarker } from './marker.js';
import { forgetOwnFiles } from './own-files.js';
import { isIsolated } from './plan/start.js';
import { renderStep, type Step } from './plan/steps.js';
import type { ContainerSpec } from './runtimes/runtime.js';
import { writeInTurn } from './storage-writes.js';
import { ownerOf } from './runtimes/process/user.js';

export interface Chain {
  readonly intent: MemberIntent;
  readonly steps: readonly Step[];
  /** Why the rest of the steps is out of date, if it is: asked before each step. */
  readonly obsolete: () => string | undefined;
  /** The step that it is at, and how far that is. */
  readonly onActivity: (text: string | undefined) => void;
}

export interface ChainResult {
  readonly done: number;
  /** Set when a step failed; an abort and an outdated rest are no failures. */
  readonly error?: string | undefined;
  readonly failedStep?: Step['kind'] | undefined;
  readonly sentence: string;
}

/** Never throws but AssertionError. */
export async function executeSteps(
  chain: Chain,
  hands: Hands,
  signal: AbortSignal,
): Promise<ChainResult> {
  let done = 0;
  for (const step of chain.steps) {
    const reason = signal.aborted ? 'the agent ends' : chain.obsolete();
    if (reason !== undefined) return { done, sentence: `left ${renderStep(step)}: ${reason}` };
    chain.onActivity(renderStep(step));
    try {
      await journaled(step, { chain, hands, signal });
      done += 1;
    } catch (error) {
      if (error instanceof AssertionError) throw error;
      if (isAbort(error) || signal.aborted)
        return { done, sentence: `broke off ${renderStep(step)}` };
      return {
        done,
        error: told(error, hands),
        failedStep: step.kind,
        sentence: `${step.kind} failed: ${told(error, hands)}`,
      };
    } finally {
      chain.onActivity(undefined);
    }
    hands.log.info({ member: step.member, step: step.kind }, `${renderStep(step)}: done`);
  }
  const names = chain.steps.map((step) => step.kind).join(', ');
  return { done, sentence: `${names} of ${chain.intent.member}` };
}

/** A runtime may repeat what it was given (I14). */
const told = (error: unknown, { secrets }: Hands): string => secrets.redact(messageOf(error));

/** The one place where values meet a spec; its digest stays that of names and versions. */
function withSecrets(container: ContainerSpec, { secrets }: Hands): ContainerSpec {
  const { member, spec } = container;
  return { ...container, spec: { ...spec, environment: secrets.environmentOf(member, spec) } };
}

const withHooks = async (container: ContainerSpec, { hooks }: Hands): Promise<ContainerSpec> =>
  (await hooks?.prepare(container)) ?? container;

/** One step of a chain at work. */
interface Turn {
  readonly chain: Chain;
  readonly hands: Hands;
  readonly signal: AbortSignal;
}

async function journaled(step: Step, turn: Turn): Promise<void> {
  const { hands } = turn;
  // Such a step is one record, which needs no two others around it.
  if (step.kind.startsWith('journal-')) return perform(step, turn);
  const written = await journalStart(step, turn.chain.intent, hands);
  try {
    await perform(step, turn);
  } catch (failure) {
    const error = told(failure, hands);
    if (written) await hands.journal.append({ kind: 'step-ended', member: step.member, error });
    throw failure;
  }
  if (written) await hands.journal.append({ kind: 'step-ended', member: step.member });
}

/** A disk that hangs must not keep a leader alive (I1). */
const FENCE_JOURNAL_MS = 2000;

/** A step that can only make things safer is done even when the journal cannot be written. */
async function journalStart(step: Step, intent: MemberIntent, hands: Hands): Promise<boolean> {
  const fences = step.kind === 'stop' || step.kind === 'set-restart-policy';
  const written = hands.journal.append({
    kind: 'step-started',
    at: hands.now(),
    member: step.member,
    step: step.kind,
    storage: step.kind === 'start' ? step.storage : intent.spec.storage,
    cause: step.cause,
  });
  try {
    if (fences) await within(written, { what: 'the journal', deadlineMs: FENCE_JOURNAL_MS });
    else await written;
    return true;
  } catch (error) {
    if (!fences || error instanceof AssertionError) throw error;
    hands.log.error({ member: step.member, err: error }, 'stopping without a journal');
    return false;
  }
}

async function perform(step: Step, turn: Turn): Promise<void> {
  const { hands, signal } = turn;
  const { intent } = turn.chain;
  const runtime = hands.runtimeOf(intent);
  switch (step.kind) {
    case 'pull':
      await runtime.pull(step.image, () => undefined, signal);
      await runtime.buildImageFor?.(intent.spec, signal);
      return;
    case 'set-restart-policy':
      return runtime.setRestartPolicyNo(step.container, signal);
    case 'stop':
      hands.deadman?.asked(step.member);
      await runtime.stop(step.member, await graceLeftMs(step, turn), signal);
      hands.engineOf(intent).forget(step.member);
      return;
    case 'remove':
      return runtime.remove(step.member, signal);
    case 'create':
      await makeFirstStorage(intent);
      return runtime.create(withSecrets(await withHooks(step.container, hands), hands), signal);
    case 'start':
      return startMember(step, intent, hands, signal);
    case 'repoint':
      return hands.engineOf(intent).repoint(engineMember(intent), step.upstreamUrl, signal);
    case 'set-aside':
    case 'seed':
      return performFill(step, { intent, hands, onProgress: progressOf(step, turn), signal });
    case 'begin-anew':
    case 'end-provisioning':
      return performProvisioning(step, { intent, hands, signal });
    case 'journal-retirement':
    case 'journal-retired-start':
    case 'journal-retired-stop':
    case 'journal-filled':
      return performNote(step, hands);
    default: {
      const deadlineMs = intent.exec === undefined ? undefined : COMMAND_WRITE_MS;
      const write = (): Promise<void> => performWrite(step, intent, hands);
      return writeInTurn(intent.spec.storage, write, deadlineMs);
    }
  }
}

/** What is left of a grace after the service was told of its end in its own words; a fence asks nobody (I1). */
async function graceLeftMs(
  { member, graceMs }: Extract<Step, { kind: 'stop' }>,
  { chain: { intent }, hands, signal }: Turn,
): Promise<number> {
  const engine = hands.engineOf(intent);
  const permit = hands.permits.of(member, intent.term);
  const isFence = intent.run === 'retired' || isIsolated({ intent, permit });
  if (isFence || engine.beforeStop === undefined) return graceMs;
  const startedAt = hands.clock.monotonic();
  // The other half is for its program: one that does not answer is told to end all the same.
  const limit = AbortSignal.any([signal, AbortSignal.timeout(graceMs / 2)]);
  try {
    const asked = engine.beforeStop(engineMember(intent), limit);
    await within(asked, { what: 'beforeStop', deadlineMs: graceMs / 2, signal });
  } catch (error) {
    if (signal.aborted) throw error;
    hands.log.warn({ member }, `before the stop of ${member}: ${told(error, hands)}`);
  }
  return Math.max(0, Math.round(graceMs - (hands.clock.monotonic() - startedAt)));
}

/** A role that a command writes, perhaps in a container of its own; the member is stopped meanwhile. */
const COMMAND_WRITE_MS = 2 * 60_000;
/** Each one told is a report. */
const PROGRESS_EVERY_MS = 1000;

function progressOf(step: Step, { chain, hands }: Turn): (text: string) => void {
  let toldAt = -Infinity;
  return (text) => {
    const now = hands.clock.monotonic();
    if (now - toldAt < PROGRESS_EVERY_MS) return;
    toldAt = now;
    chain.onActivity(`${renderStep(step)}: ${hands.secrets.redact(text)}`);
  };
}

type WriteStep = Extract<Step, { kind: 'write-marker' | 'write-role' | 'write-retired-role' }>;
type NoteStep = Extract<Step, { kind: `journal-${string}` }>;

async function performWrite(step: WriteStep, intent: MemberIntent, hands: Hands): Promise<void> {
  switch (step.kind) {
    case 'write-marker':
      return writeMarker(step.storage, step.marker, await ownerOf(intent.spec));
    case 'write-role':
      return hands.engineOf(intent).writeRole(engineMember(intent), step.wanted);
    case 'write-retired-role':
      return hands.engineOf(intent).writeRetired(engineMember(intent), step.newLeaderUrl);
    default:
      return unreachable(step);
  }
}

async function performNote(step: NoteStep, hands: Hands): Promise<void> {
  switch (step.kind) {
    case 'journal-retirement':
      hands.log.warn(
        { member: step.member, storage: step.retirement.storage, term: step.retirement.term },
        `retired ${step.retirement.storage}: ${step.cause}`,
      );
      await hands.journal.append({ kind: 'retired', retirement: step.retirement });
      return;
    case 'journal-retired-start':
      hands.log.error(
        { member: step.member, storage: step.storage },
        `a retired member was started by somebody else: ${step.storage} (I2)`,
      );
      await hands.journal.append({
        kind: 'retired-start-seen',
        storage: step.storage,
        member: step.member,
      });
      return;
    case 'journal-retired-stop':
      await hands.journal.append({ kind: 'retirement-proven', storage: step.storage });
      return;
    case 'journal-filled': {
      const { storage, id } = step;
      hands.log.info({ member: step.member, storage }, `${storage} is filled: ${step.cause}`);
      await hands.journal.append({ kind: 'storage-filled', storage, id });
      await forgetOwnFiles(storage);
      return;
    }
    default:
      return unreachable(step);
  }
}

/** A start may take long: one that outlives its permit is taken back. */
async function startMember(
  step: Extract<Step, { kind: 'start' }>,
  intent: MemberIntent,
  hands: Hands,
  signal: AbortSignal,
): Promise<void> {
  await assertMayStart(step, intent, hands);
  const runtime = hands.runtimeOf(intent);
  await hands.hooks?.restore(step.member, intent.spec);
  if (step.permitTerm !== undefined)
    hands.deadman?.beforeStart(intent, await runtime.inspect(step.member, signal));
  try {
    await runtime.start(step.member, signal);
  } finally {
    if (!hasPermit(step, hands)) await runtime.stop(step.member, intent.spec.stopGraceMs, signal);
  }
  if (!hasPermit(step, hands)) throw withoutPermit(step);
}

function hasPermit(step: Extract<Step, { kind: 'start' }>, { permits }: Hands): boolean {
  return step.permitTerm === undefined || permits.of(step.member, step.permitTerm).leftMs > 0;
}

async function assertMayStart(
  step: Extract<Step, { kind: 'start' }>,
  intent: MemberIntent,
  hands: Hands,
): Promise<void> {
  const reading = await readMarker(intent.spec.storage);
  const marker = reading.kind === 'found' ? reading.marker : undefined;
  const refuse = (why: string): never => {
    throw new LeafwardError('refused', `start ${step.member}: ${why} (I2)`);
  };
  if (reading.kind === 'unreadable') refuse(reading.error);
  if (marker?.retired !== undefined) refuse('its storage is retired');
  if (marker?.seeding !== undefined) refuse('its storage is half filled');
  if (marker?.provisioning?.broken === true) refuse('its first start was cut short');
  if (!hasPermit(step, hands)) throw withoutPermit(step);
}

function withoutPermit(step: Extract<Step, { kind: 'start' }>): LeafwardError {
  return new LeafwardError(
    'refused',
    `start ${step.member}: the permit for term ${step.permitTerm} ran out before it had started (I1); ` +
      'it is started when a controller confirms the term again',
    { retry: 'later' },
  );
}
