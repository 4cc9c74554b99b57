// place: a new member joins the tree and is waited for, or a running one gets an intent that needs no restart.
import { isRetired, type Topology } from '@leafward/shared/topology.js';
import type { ServiceAt } from '../gather.js';
import { memberOf } from '../gather.js';
import { declarationBy, declare } from './declared.js';
import { provision } from './provision.js';
import { serviceAt, type MoveOf, type MoveRow } from './move.js';
import { settle, settledNote } from './settle.js';

export const place: MoveRow<MoveOf<'place'>> = {
  begin: (context) => {
    const { move, operation, snapshot } = context;
    const { intent } = move;
    const service = serviceAt(context);
    const topology = joined(service, intent.service, intent.member, intent.upstream?.member);
    const declaration = declarationBy(operation, snapshot, intent.service);
    if (declaration === undefined)
      return { kind: 'failed', reason: `${intent.service} is declared nowhere; plan again` };
    return {
      kind: 'go',
      phase: 1,
      event: `places ${intent.member} on ${move.host}: ${move.cause}`,
      effects: [
        ...declare(operation, snapshot, intent.service),
        ...(topology === undefined ? [] : [{ kind: 'set-topology' as const, topology }]),
        { kind: 'set-intents', host: move.host, intents: [intent] },
      ],
    };
  },
  check: (context) => {
    const service = serviceAt(context);
    const { member, role, run } = context.move.intent;
    if (service === undefined)
      return {
        kind: 'failed',
        reason: `${context.move.service} is not known any more; plan again`,
      };
    if (run !== 'running')
      return { kind: 'done', note: `${member} is kept stopped and was told of the change` };
    const placed = memberOf(service, member);
    return (
      (placed && provision(context, service, placed)) ??
      settle(context, service, { member, role, isNew: context.move.cause.startsWith('new,') }) ?? {
        kind: 'done',
        note: settledNote(service, member),
      }
    );
  },
};

/** The tree with this member in it; undefined when it is there already. */
function joined(
  service: ServiceAt | undefined,
  name: string,
  member: string,
  upstream: string | undefined,
): Topology | undefined {
  const topology: Topology = service?.topology ?? {
    service: name,
    term: 1,
    leader: member,
    upstreams: {},
    retired: [],
  };
  const isThere =
    topology.leader === member || member in topology.upstreams || isRetired(topology, member);
  if (isThere || upstream === undefined) return undefined;
  return { ...topology, upstreams: { ...topology.upstreams, [member]: upstream } };
}
