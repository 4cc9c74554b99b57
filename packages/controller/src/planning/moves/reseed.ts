// reseed: a member begins again as a mirror, from nothing. It leaves the retired ones and enters the tree together with
// the order, which names the reseed: its agent sets aside or deletes what is there once, and never again. Done when
// its agent says that it was filled to the end, it mirrors and has caught up; then the order is taken back.
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../../snapshot.js';
import { livingOf, memberOf, type MemberAt, type ServiceAt } from '../gather.js';
import { intentOf, setIntents, specOf } from '../intents.js';
import { imageAfterSeed } from '../plan-reseed.js';
import { offsiteVariables, secretVariables } from '../secrets.js';
import { reseeded } from '../tree.js';
import { provision } from './provision.js';
import { serviceAt, type MoveContext, type MoveOf, type MoveRow, type Step } from './move.js';
import {
  askLeader,
  compare,
  compared,
  differed,
  lastEntryOf,
  leaderAnswer,
  PHASES,
} from './reseed-proof.js';
import { settle, settledNote } from './settle.js';

type Reseed = MoveOf<'reseed'>;

export const reseed: MoveRow<Reseed> = {
  begin: (context) => {
    const service = serviceAt(context);
    const offset = lastEntryOf(context);
    if (service === undefined || offset === undefined) return order(context, service);
    return askLeader(context, service, offset);
  },
  check: (context) => {
    const { move } = context;
    const service = serviceAt(context);
    const member = service && memberOf(service, move.member);
    if (service === undefined || member?.intent === undefined)
      return { kind: 'failed', reason: `${move.member} is not known any more; plan again` };
    switch (context.progress.phase) {
      case PHASES.asking:
        return leaderAnswer(context, service) ?? order(context, service);
      case PHASES.comparing:
        return compared(context, service) ?? done(context, service, member);
      case PHASES.stopped:
        return differed(context, service);
      default:
        return placed(context, service, member) ?? settled(context, service, member);
    }
  },
};

type Context = MoveContext<Reseed>;

function order(context: Context, service: ServiceAt | undefined): Step {
  const { move, snapshot } = context;
  const member = service && memberOf(service, move.member);
  const upstream = service && livingOf(service).find((one) => one.name === move.upstream);
  if (service === undefined || member === undefined || upstream === undefined)
    return { kind: 'failed', reason: `${move.member} or ${move.upstream} is gone; plan again` };
  if (member.isLeader)
    return { kind: 'failed', reason: `${move.member} leads now and is not emptied; plan again` };
  const topology = reseeded(service.topology, move.member, move.upstream);
  const intent = mirrorIntent(snapshot, { ...service, topology }, member, upstream);
  if (intent === undefined || move.reseed === undefined)
    return { kind: 'failed', reason: `${move.member} is not placed any more; plan again` };
  const from = move.reseed.backup === undefined ? '' : `, filled from ${move.reseed.backup}`;
  return {
    kind: 'go',
    phase: 1,
    event: `begins ${move.member} on ${move.host} again as a mirror of ${move.upstream}${from}: what it has is ${move.reseed.wipe ? 'deleted' : 'set aside'}`,
    effects: [
      { kind: 'set-topology', topology },
      ...setIntents([{ host: member.host, intent: { ...intent, reseed: move.reseed } }]),
    ],
  };
}

/** One that is filled from a backup keeps the place that it has in its network. */
const placed = (context: Context, service: ServiceAt, member: MemberAt): Step | undefined =>
  context.move.reseed?.backup === undefined ? provision(context, service, member) : undefined;

function settled(context: Context, service: ServiceAt, member: MemberAt): Step {
  const { move } = context;
  const open = settle(context, service, {
    member: move.member,
    role: 'mirror',
    reseeded: move.reseed?.id,
    isNew: true,
  });
  if (open !== undefined) return open;
  const offset = lastEntryOf(context);
  return offset === undefined ? done(context, service, member) : compare(context, service, offset);
}

function done({ move }: Context, service: ServiceAt, { intent, host }: MemberAt): Step {
  const from = move.reseed?.backup ?? move.upstream;
  return {
    kind: 'done',
    note: `${settledNote(service, move.member)}; filled anew from ${from}`,
    // Kept, it would empty a storage again whose mark was lost, whoever leads from it by then.
    effects:
      intent === undefined ? [] : setIntents([{ host, intent: { ...intent, reseed: undefined } }]),
  };
}

/** As it is declared now, with an image that its upstream is not ahead of. */
function mirrorIntent(
  snapshot: Snapshot,
  service: ServiceAt,
  member: MemberAt,
  upstream: MemberAt,
): MemberIntent | undefined {
  const { declaration, topology } = service;
  const old = member.intent?.spec;
  const image = imageAfterSeed(member, upstream);
  if (old === undefined || image === undefined) return undefined;
  const { declared } = member;
  // One that was declared elsewhere since is begun again where it is: a deploy says what it thinks of that.
  const spec =
    declared?.host === member.host && declared.storage === old.storage
      ? specOf(declaration, declared, image, secretVariables(snapshot, declared))
      : { ...old, image };
  const secrets = offsiteVariables(snapshot, declaration);
  return intentOf(declaration, topology, member.name, spec, secrets);
}
