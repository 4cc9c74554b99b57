// migrate: the stopped member of a new service gets the data of an old one, and leads with it in a new term. Must never
// begin while it may run. Phases: 1 the data, 2 the term, it starts.
import { memberOf, type MemberAt, type ServiceAt } from '../gather.js';
import { retreed, setIntents } from '../intents.js';
import { OUTCOME_MS } from '../thresholds.js';
import { restoredTo } from '../tree.js';
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

type Context = MoveContext<MoveOf<'migrate'>>;

/** To measure the source and to set aside what lies there. */
const MARGIN_MS = 12 * 3_600_000;

export const migrate: MoveRow<MoveOf<'migrate'>> = {
  begin: (context) => {
    const { move } = context;
    const service = serviceAt(context);
    const member = service && memberOf(service, move.member);
    if (service === undefined || member?.intent === undefined)
      return { kind: 'failed', reason: `${move.member} is not placed any more; plan again` };
    if (service.topology.term === move.term) return { kind: 'go', phase: 2, effects: [] };
    return (
      waitUntilStopped(context, service, member, undefined) ?? {
        kind: 'go',
        phase: 1,
        event: `migrates ${move.migration.source} to ${move.member}: what lies there is set aside`,
        effects: [
          sendRequest(context, {
            host: member.host,
            act: {
              kind: 'migrate-storage',
              member: move.member,
              term: move.term,
              ...move.migration,
            },
          }),
        ],
      }
    );
  },
  check: (context) => {
    const { move, progress } = context;
    const service = serviceAt(context);
    const member = service && memberOf(service, move.member);
    if (service === undefined || member === undefined)
      return { kind: 'failed', reason: `${move.member} is not known any more; plan again` };
    if (progress.phase === 1) return filled(context, service, member);
    return (
      settle(context, service, { member: move.member, role: 'leader', isNew: true }) ?? {
        kind: 'done',
        note: `${settledNote(service, move.member)}; it leads in term ${move.term} with what was in ${move.migration.source}: ${progress.note ?? 'how much is not known'}`,
      }
    );
  },
};

function filled(context: Context, service: ServiceAt, member: MemberAt): Step {
  const { move } = context;
  const outcome = outcomeOf(context);
  if (outcome?.state === 'succeeded') return beginTerm(context, service, member, outcome.message);
  if (outcome !== undefined && outcome.state !== 'running')
    return {
      kind: 'failed',
      reason: `the migration to ${move.member} ${outcome.state === 'unknown' ? 'has an unknown end' : `${outcome.state === 'refused' ? 'was refused' : 'did not end well'}`}: ${outcome.message ?? 'no reason given'}; ${service.name} stays down and its source is untouched. Resume to go on from the last checkpoint`,
    };
  if (member.hostState?.connected !== true) return waitForHost(context, member);
  return wait(context, {
    code: 'migrating-from-source',
    subject: move.member,
    message: `${move.member} gets the data of ${move.migration.source}${outcome?.progress === undefined ? '' : `: ${outcome.progress}`}`,
    timeoutMs: move.migration.timeoutMs + MARGIN_MS + OUTCOME_MS,
    unblock: 'wait; it is started when all of it is there',
    evidence: [evidence('request', outcome?.state ?? 'not begun')],
  });
}

function beginTerm(
  { move }: Context,
  service: ServiceAt,
  { host, name }: MemberAt,
  said: string | undefined,
): Step {
  const topology = restoredTo(service.topology, name, move.term);
  const intent = { ...retreed(service, topology, name), run: 'running' as const };
  return {
    kind: 'go',
    phase: 2,
    event: `${name} has the data of ${move.migration.source}: term ${move.term} begins, and it starts as the leader`,
    effects: [{ kind: 'set-topology', topology }, ...setIntents([{ host, intent }])],
    progress: { note: said },
  };
}
