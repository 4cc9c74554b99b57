// repoint: the mirrors follow the new leader, all at once: none of them leads, and what they mirror is gone. A
// member whose host is silent is left: its intent waits for it.
import type { MemberAt, ServiceAt } from '../gather.js';
import { retreed, setIntents } from '../intents.js';
import { REPOINT_SILENT_MS } from '../thresholds.js';
import { listed } from '../words.js';
import { strangersTo } from './choose.js';
import { serviceAt, wait, type MoveContext, type MoveOf, type MoveRow, type Step } from './move.js';
import { settle } from './settle.js';

type Context = MoveContext<MoveOf<'repoint'>>;

export const repoint: MoveRow<MoveOf<'repoint'>> = {
  begin: (context) => {
    const service = serviceAt(context);
    if (service === undefined)
      return {
        kind: 'failed',
        reason: `${context.move.service} is not known any more; plan again`,
      };
    const members = mirrorsOf(service);
    const strangers = strangersTo(context, service.topology.leader);
    return {
      kind: 'go',
      phase: 1,
      event:
        members.length === 0
          ? 'nobody is left to follow'
          : `points ${listed(members.map((member) => member.name))} at the new tree`,
      effects: setIntents(
        members.flatMap((member) => {
          if (member.intent === undefined) return [];
          const intent = retreed(service, service.topology, member.name);
          // What was stopped before, for its history or to be removed, stays so.
          const run = strangers.includes(member.name) ? 'stopped' : intent.run;
          return [{ host: member.host, intent: { ...intent, run } }];
        }),
      ),
    };
  },
  check: (context) => {
    const service = serviceAt(context);
    if (service === undefined)
      return {
        kind: 'failed',
        reason: `${context.move.service} is not known any more; plan again`,
      };
    return follow(context, service);
  },
};

const mirrorsOf = (service: ServiceAt): readonly MemberAt[] =>
  service.members.filter((member) => !member.isLeader && !member.isRetired);

/** A whole copy takes hours, and nobody who follows already has to wait for it. */
const isBeingFilled = ({ intent, fact }: MemberAt): boolean =>
  intent?.run === 'running' &&
  intent.reseed !== undefined &&
  fact?.storage.reseeded !== intent.reseed.id;

function follow(context: Context, service: ServiceAt): Step {
  const filling = mirrorsOf(service).filter(isBeingFilled);
  const mirrors = mirrorsOf(service).filter(
    (member) => member.intent?.run === 'running' && !filling.includes(member),
  );
  const stopped = mirrorsOf(service).filter((member) => member.intent?.run === 'stopped');
  const silentOnes = mirrors.filter((member) => member.hostState?.connected !== true);
  for (const { name } of mirrors.filter((member) => !silentOnes.includes(member))) {
    const step = settle(context, service, { member: name, role: 'mirror' });
    if (step !== undefined) return step;
  }
  const waited = context.snapshot.now - (context.progress.begunAt ?? context.snapshot.now);
  if (silentOnes.length > 0 && waited < REPOINT_SILENT_MS)
    return wait(context, {
      code: 'host-silent',
      subject: silentOnes[0]?.host ?? '',
      message: `${listed(silentOnes.map((member) => member.name))} ${silentOnes.length === 1 ? 'is' : 'are'} silent`,
      timeoutMs: 2 * REPOINT_SILENT_MS,
      unblock:
        'nothing needs to be done: those that stay silent are left, their intent waits for them',
    });
  const names = (members: readonly MemberAt[]): string => listed(members.map((m) => m.name));
  const following = mirrors.filter((member) => !silentOnes.includes(member));
  return {
    kind: 'done',
    note: [
      following.length === 0
        ? 'nobody follows'
        : `${names(following)} follow ${service.topology.leader}`,
      ...(silentOnes.length === 0 ? [] : [`${names(silentOnes)} silent: the intent waits`]),
      ...(filling.length === 0 ? [] : [`${names(filling)} filled anew: goes on by itself`]),
      ...(stopped.length === 0
        ? []
        : [`${names(stopped)} stopped: another history, wipe and reseed`]),
    ].join('; '),
  };
}
