// optimize and cold-back-up: one member stops, something is done to its storage, it starts and catches up. Whatever
// comes of that, it is started again before the move ends, well or not.
// Phases: 1 it stops, 2 the act, 3 it starts, 4 what would be repeated at its next start is taken back.
import type { MoveProgress, OptimizeWay } from '@leafward/shared/gen/domain.js';
import { memberOf, type MemberAt, type ServiceAt } from '../gather.js';
import { roleOf } from '../intents.js';
import { BACKUP_MS, OUTCOME_MS } from '../thresholds.js';
import { evidence } from '../words.js';
import {
  outcomeOf,
  sendRequest,
  serviceAt,
  wait,
  waitForHost,
  type MoveContext,
  type MoveOf,
  type MoveRow,
  type Step,
} from './move.js';
import { settle, settledNote } from './settle.js';
import { waitUntilStopped } from './stopped.js';

type Offline = MoveOf<'optimize'> | MoveOf<'cold-back-up'>;
type Context = MoveContext<Offline>;

const STOP = 1;
const ACT = 2;
const START = 3;
const CLEAR = 4;

/** A flag in a file. */
const CLEAR_MS = 60_000;

export const optimize: MoveRow<MoveOf<'optimize'>> = { begin, check };
export const coldBackUp: MoveRow<MoveOf<'cold-back-up'>> = { begin, check };

function begin(context: Context): Step {
  const { move, progress } = context;
  const service = serviceAt(context);
  const member = service && memberOf(service, move.member);
  if (member?.intent === undefined || member.intent.run === 'retired')
    return { kind: 'failed', reason: `${move.member} is not placed any more; plan again` };
  const engine = member.fact?.engine;
  const before = engine?.answered === true ? engine : progress.before;
  return {
    kind: 'go',
    phase: STOP,
    event: `stops ${move.member} on ${member.host}`,
    effects: [runOrder(member, 'stopped')],
    progress: { before, runIdBefore: progress.runIdBefore ?? before?.runId },
  };
}

function check(context: Context): Step {
  const { move, progress } = context;
  const service = serviceAt(context);
  const member = service && memberOf(service, move.member);
  if (service === undefined || member?.intent === undefined)
    return { kind: 'failed', reason: `${move.member} is not known any more; plan again` };
  switch (progress.phase) {
    case STOP:
      return startIfFailed(
        member,
        waitUntilStopped(context, service, member, progress.begunAt) ?? act(context, service),
      );
    case ACT:
      return startIfFailed(member, acted(context, member));
    case START:
      return started(context, service, member);
    default:
      return cleared(context, service, member);
  }
}

const runOrder = (member: MemberAt, run: 'running' | 'stopped') => ({
  kind: 'set-intents' as const,
  host: member.host,
  intents: member.intent === undefined ? [] : [{ ...member.intent, run }],
});

/** Nobody is left stopped because something else went wrong. */
const startIfFailed = (member: MemberAt, step: Step): Step =>
  step.kind === 'failed' ? startAgain(member, { note: step.reason }) : step;

const startAgain = (member: MemberAt, progress: Partial<MoveProgress>): Step => ({
  kind: 'go',
  phase: START,
  event: `starts ${member.name} again`,
  effects: [runOrder(member, 'running')],
  progress,
});

function act(context: Context, service: ServiceAt): Step {
  const { move, progress } = context;
  const { term } = service.topology;
  const { position, version, iden } = progress.before ?? {};
  return {
    kind: 'go',
    phase: ACT,
    event:
      move.kind === 'optimize'
        ? `${move.member} is stopped; ${move.way === 'swap' ? 'its databases are copied' : 'it is told to optimize at its start'}`
        : `${move.member} is stopped; backs it up as ${move.name}`,
    effects: [
      sendRequest(context, {
        host: move.host,
        act:
          move.kind === 'optimize'
            ? { kind: 'optimize-storage', member: move.member, term, way: move.way }
            : {
                kind: 'cold-backup',
                member: move.member,
                term,
                name: move.name,
                position,
                version,
                iden,
              },
      }),
    ],
  };
}

function acted(context: Context, member: MemberAt): Step {
  const { move } = context;
  const outcome = outcomeOf(context);
  if (outcome?.state === 'succeeded') return startAgain(member, {});
  if (outcome !== undefined && outcome.state !== 'running')
    return {
      kind: 'failed',
      reason: `${wordOf(move)} of ${move.member} ${outcome.state === 'unknown' ? 'has an unknown end' : `was ${outcome.state}`}: ${outcome.message ?? 'no reason given'}; its own storage is whole. Resume to try again`,
    };
  if (member.hostState?.connected !== true) return waitForHost(context, member);
  return wait(context, {
    code: move.kind === 'optimize' ? 'optimizing' : 'backing-up',
    subject: move.member,
    message: `${wordOf(move)} of ${move.member}, which is stopped${outcome?.progress === undefined ? '' : `: ${outcome.progress}`}`,
    timeoutMs: BACKUP_MS,
    unblock: 'wait; it is started when that is over',
    evidence: [evidence('request', outcome?.state ?? 'not begun')],
  });
}

const wordOf = (move: Offline): string =>
  move.kind === 'optimize' ? 'the optimization' : 'the cold backup';

function started(context: Context, service: ServiceAt, member: MemberAt): Step {
  const { move, progress } = context;
  const open = settle(context, service, {
    member: move.member,
    role: roleOf(service.declaration, service.topology, move.member),
    runIdBefore: progress.runIdBefore,
    versionBefore: progress.before?.version,
  });
  if (open !== undefined) return open;
  if (!isLeftAtBoot(move)) return over(context, service);
  return {
    kind: 'go',
    phase: CLEAR,
    event: `${move.member} runs; its next start shall be a plain one`,
    effects: [
      sendRequest(context, {
        host: member.host,
        suffix: 'clear',
        act: {
          kind: 'optimize-storage',
          member: move.member,
          term: service.topology.term,
          way: 'clear' satisfies OptimizeWay,
        },
      }),
    ],
  };
}

const isLeftAtBoot = (move: Offline): boolean => move.kind === 'optimize' && move.way === 'on-boot';

function cleared(context: Context, service: ServiceAt, member: MemberAt): Step {
  const { move } = context;
  const outcome = outcomeOf(context, 'clear');
  if (outcome?.state === 'succeeded') return over(context, service);
  if (outcome !== undefined && outcome.state !== 'running')
    return {
      kind: 'failed',
      reason: `${move.member} runs, and onboot:optimize may still be in its cell.mods.yaml, which makes each of its starts a long one: ${outcome.message ?? 'no reason given'}; take it out by hand and abort, or resume to optimize it once more`,
    };
  if (member.hostState?.connected !== true) return waitForHost(context, member);
  return wait(context, {
    code: 'optimizing',
    subject: move.member,
    message: `${move.member} is told not to optimize at its next start`,
    timeoutMs: CLEAR_MS + OUTCOME_MS,
    unblock: 'wait',
    evidence: [evidence('request', outcome?.state ?? 'not begun')],
  });
}

function over(context: Context, service: ServiceAt): Step {
  const { move, progress } = context;
  if (progress.note !== undefined)
    return { kind: 'failed', reason: `${progress.note} ${move.member} runs again as before` };
  const said = outcomeOf(context);
  const note = `${settledNote(service, move.member)}${said?.message === undefined ? '' : `; ${said.message}`}`;
  if (move.kind === 'optimize') return { kind: 'done', note };
  if (said?.backup === undefined)
    return { kind: 'failed', reason: `the cold backup of ${move.member} was not told of` };
  return { kind: 'done', note: `${move.name} of ${move.member} is catalogued; ${note}` };
}
