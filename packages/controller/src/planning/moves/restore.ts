// restore: one stopped member gets a backup's data and leads in a new term; everybody else is stopped and stays so
// until it is filled anew. Must never begin while anybody else may lead. Phases: 1 the data, 2 the term, it starts.
import { evidenceOf } from '../diagnose.js';
import { livingOf, mayRun, memberOf, urlOf, type MemberAt, type ServiceAt } from '../gather.js';
import { retreed, setIntents, type HostedIntent } from '../intents.js';
import { BEGIN_PATIENCE_MS, RESTORE_MS } from '../thresholds.js';
import { restoredTo } from '../tree.js';
import { evidence, listed } from '../words.js';
import { declare } from './declared.js';
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
import { isStack } from '../stack.js';
import { leadsWritable } from './forced-order.js';
import { settle, settledNote } from './settle.js';
import { isStopped } from './stopped.js';

type Context = MoveContext<MoveOf<'restore'>>;

export const restore: MoveRow<MoveOf<'restore'>> = {
  begin: (context) => {
    const { move } = context;
    const service = serviceAt(context);
    const member = service && memberOf(service, move.member);
    if (service === undefined || member?.intent === undefined)
      return { kind: 'failed', reason: `${move.member} is not placed any more; plan again` };
    if (hasTerm(service, move)) return { kind: 'go', phase: 2, effects: [] };
    return (
      waitForAll(context, service) ?? {
        kind: 'go',
        phase: 1,
        event: `puts backup ${move.backup} in the place of what ${move.member} has: that is ${move.wipe ? 'deleted' : 'set aside'}`,
        effects: [
          sendRequest(context, {
            host: member.host,
            act: {
              kind: 'restore-backup',
              member: move.member,
              term: move.term,
              backup: move.backup,
              wipe: move.wipe,
            },
          }),
        ],
      }
    );
  },
  check: (context) => {
    const { move } = context;
    const service = serviceAt(context);
    const member = service && memberOf(service, move.member);
    if (service === undefined || member === undefined)
      return { kind: 'failed', reason: `${move.member} is not known any more; plan again` };
    if (context.progress.phase === 1) return filled(context, service, member);
    return (
      settle(context, service, { member: move.member, role: 'leader', isNew: true }) ?? {
        kind: 'done',
        note: `${settledNote(service, move.member)}; it leads in term ${move.term} from backup ${move.backup}`,
      }
    );
  },
};

/** An earlier attempt got that far. */
const hasTerm = ({ topology }: ServiceAt, { term, member }: MoveOf<'restore'>): boolean =>
  topology.term === term && topology.leader === member;

/** Who must be seen stopped, and is not (I1). Members of a stack write to one database, so of them everybody must. */
function waitForAll(context: Context, service: ServiceAt): Step | undefined {
  const running = livingOf(service).filter(
    (member) =>
      (isStack(service) || member.isLeader || isHalted(member)) &&
      !(member.isFresh && isStopped(member)),
  );
  const [first] = running;
  if (first === undefined) return undefined;
  return wait(context, {
    code: 'stopping',
    subject: first.name,
    message: `${listed(running.map((member) => member.name))} ${running.length === 1 ? 'is' : 'are'} not seen stopped: nobody may lead beside a restored member (I1)`,
    timeoutMs: BEGIN_PATIENCE_MS,
    unblock: `look at it: leafward why ${first.name}`,
    evidence: evidenceOf(service, first, context.snapshot.now),
  });
}

/** A mirror that came back since is not waited for: nobody lets it lead, and the new term stops it. */
const isHalted = (member: MemberAt): boolean =>
  member.hostState?.connected === true && (!mayRun(member) || leadsWritable(member));

function filled(context: Context, service: ServiceAt, member: MemberAt): Step {
  const { move } = context;
  const outcome = outcomeOf(context);
  if (outcome?.state === 'succeeded') return beginTerm(context, service);
  if (outcome !== undefined && outcome.state !== 'running')
    return {
      kind: 'failed',
      reason: `the restore of ${move.member} ${outcome.state === 'unknown' ? 'has an unknown end' : `was ${outcome.state === 'refused' ? 'refused' : 'not carried out to the end'}`}: ${outcome.message ?? 'no reason given'}; ${service.name} stays down. Resume to try again; an abort starts again whatever was not touched`,
    };
  if (member.hostState?.connected !== true) return waitForHost(context, member);
  return wait(context, {
    code: 'restoring',
    subject: move.member,
    message: `${move.member} gets the data of backup ${move.backup}${outcome?.progress === undefined ? '' : `: ${outcome.progress}`}`,
    timeoutMs: RESTORE_MS,
    unblock: 'wait; it is started when all of it is there',
    evidence: [evidence('request', outcome?.state ?? 'not begun')],
  });
}

/** Term, tree and intents at once. Only the restored one runs; the others would mirror it with what it has lost. */
function beginTerm(context: Context, service: ServiceAt): Step {
  const { move } = context;
  const topology = restoredTo(service.topology, move.member, move.term);
  const intents = service.members.flatMap((member): readonly HostedIntent[] => {
    const { intent: old, host } = member;
    if (old === undefined) return [];
    if (member.isRetired || old.run === 'retired') {
      const upstream = { member: move.member, url: urlOf(service.declaration, move.member) };
      return [{ host, intent: { ...old, upstream, role: 'mirror', term: move.term } }];
    }
    const intent = retreed(service, topology, member.name);
    const run = old.run === 'removed' ? 'removed' : 'stopped';
    // An older one, too: nobody starts before its data are those of the backup.
    const spec = move.image === undefined ? intent.spec : { ...intent.spec, image: move.image };
    const isRestored = member.name === move.member;
    return [{ host, intent: { ...intent, spec, run: isRestored ? 'running' : run } }];
  });
  return {
    kind: 'go',
    phase: 2,
    event: `${move.member} has the data of ${move.backup}: term ${move.term} begins, and it starts as the leader${move.image === undefined ? '' : ` with ${move.image.reference}`}`,
    effects: [
      ...declare(context.operation, context.snapshot, service.name),
      { kind: 'set-topology', topology },
      ...setIntents(intents),
    ],
  };
}
