// One member goes back to a backup. A mirror is filled from it and catches up, so nothing is lost; a leader that goes back
// alone would be behind its own mirrors. Pure.
import type { Goal } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import { emptyDraft, judge, type Draft } from './draft.js';
import { livingOf, memberOf, type ServiceAt } from './gather.js';
import { planReseed } from './plan-reseed.js';
import { planRestore } from './plan-restore.js';
import { listed, type Objection } from './words.js';

type RestoreGoal = Extract<Goal, { kind: 'restore' }>;

export function planRestoreMember(
  snapshot: Snapshot,
  service: ServiceAt,
  { member: name = '', ...goal }: RestoreGoal,
): Draft {
  const member = memberOf(service, name);
  const { backup, host, wipe, id } = goal;
  if (member?.isLeader !== true) {
    const draft = planReseed(snapshot, service, {
      kind: 'reseed',
      service: service.name,
      member: name,
      backup,
      host,
      wipe,
      id,
    });
    const back = `${name} goes back to ${backup} and catches up with ${service.topology.leader}; nothing that ${service.name} has is lost`;
    return draft.moves.length === 0 ? draft : { ...draft, warnings: [...draft.warnings, back] };
  }
  const mirrors = livingOf(service).filter((one) => !one.isLeader);
  if (service.declaration.shape === 'stack' || mirrors.length === 0)
    return planRestore(snapshot, service, goal);
  const objections = [wouldBeBehind(service, name, backup, mirrors)];
  return {
    ...emptyDraft,
    services: [service.name],
    ...judge([{ name: 'member', passed: '', objections }]),
  };
}

function wouldBeBehind(
  service: ServiceAt,
  leader: string,
  backup: string,
  mirrors: readonly { readonly name: string }[],
): Objection {
  const names = listed(mirrors.map((one) => one.name));
  return {
    code: 'mirrors-stay-ahead',
    subject: leader,
    message: `${leader} leads ${service.name}, and ${names} ${mirrors.length === 1 ? 'mirrors' : 'mirror'} it: set back alone it would be behind, and they would stay ahead, ready and healthy, with data that it no longer has`,
    unblock: `restore all of it, which rebuilds them: leafward plan restore ${service.name} --backup ${backup}; or if only ${leader} is ill, hand over and set it back as a mirror: leafward plan promote ${service.name} --to MIRROR`,
    evidence: [],
  };
}
