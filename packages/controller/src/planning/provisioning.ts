// What a plan can know of provisioning before anything is started: whose names are taken, and which members have no place
// in their network yet. The registry checks nothing by itself. Pure.
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { MemberDeclaration, ServiceDeclaration } from '@leafward/shared/manifest/types.js';
import type { Snapshot } from '../snapshot.js';
import type { DraftMove, GateCheck } from './draft.js';
import { gatherService, type MemberAt, type ServiceAt } from './gather.js';
import { evidence, listed, type Objection } from './words.js';

export function provisionOf(
  { provision }: ServiceDeclaration,
  member: string,
): Pick<MemberIntent, 'provision'> {
  if (provision === undefined) return {};
  const { service, network, alias } = provision;
  return { provision: { service, network, name: member, alias } };
}

/** Its first start has not come, or was cut short: it has no data. */
export const isUnprovisioned = ({ intent, fact }: MemberAt): boolean =>
  intent?.provision !== undefined &&
  ['needed', 'broken'].includes(fact?.storage.provisioning ?? '');

/** In the tree already, but an operation that would have provisioned them was left. */
export const placedAgain = (service: ServiceAt): readonly DraftMove[] =>
  service.members.flatMap((member) =>
    member.isRetired || member.intent?.run !== 'running' || !isUnprovisioned(member)
      ? []
      : [
          {
            kind: 'place',
            service: service.name,
            cause: 'new, its first start has not come yet',
            host: member.host,
            intent: member.intent,
          },
        ],
  );

/** Empty for services that nobody provisions. */
export function provisionGate(
  snapshot: Snapshot,
  { name, provision }: ServiceDeclaration,
  members: readonly MemberDeclaration[],
): readonly GateCheck[] {
  // What is taken over has its name there already.
  const added = members.filter(({ container }) => container === undefined);
  if (provision === undefined || added.length === 0) return [];
  const registry = gatherService(snapshot, provision.service)?.leader;
  const entries = registry?.isFresh === true ? registry.fact?.engine.registry?.entries : undefined;
  const iden = gatherService(snapshot, name)?.leader?.fact?.engine.iden;
  const fullOf = (member: MemberDeclaration): string => `${member.name}.${provision.network}`;
  const taken = added.flatMap((member) => {
    const entry = entries?.find((one) => one.name === fullOf(member));
    const isOwn = entry?.online === false && iden !== undefined && entry.iden === iden;
    return entry === undefined || isOwn ? [] : [entry];
  });
  return [
    {
      name: 'names',
      passed:
        entries === undefined
          ? `${provision.service} says whose names are taken when each member is placed`
          : `${listed(added.map(fullOf))} ${added.length === 1 ? 'is' : 'are'} free in ${provision.service}`,
      objections: taken.map((entry): Objection => ({
        code: 'name-taken',
        subject: entry.name,
        message: `${entry.name} is taken in ${provision.service} by a service that is ${entry.online ? 'online' : 'offline'}: two of one name answer for each other`,
        unblock: entry.online
          ? 'give the new member another name'
          : `give the new member another name, or delete the entry in ${provision.service} if nobody needs it`,
        evidence: [
          evidence('registered iden', entry.iden, {
            wanted: 'none',
            seenAt: registry?.receivedAt,
          }),
        ],
      })),
    },
  ];
}
