// The two things that a failover ever begins for by itself: the leader's own agent says that it died, or its host is
// silent. Pure. Everything else is for an operator to decide.
import type { Evidence } from '@leafward/shared/gen/domain.js';
import type { Snapshot } from '../snapshot.js';
import type { MemberAt, ServiceAt } from './gather.js';
import { isStack } from './stack.js';
import { DEATH_FRESH_MS } from './thresholds.js';
import { evidence } from './words.js';

export interface Cause {
  readonly kind: 'died' | 'silent';
  readonly leader: MemberAt;
  /** Begins with the leader's or its host's name. */
  readonly text: string;
  readonly evidence: readonly Evidence[];
}

export const isAutomatic = ({ declaration }: ServiceAt): boolean =>
  declaration.failover.mode === 'automatic';

export function causeOf(snapshot: Snapshot, service: ServiceAt): Cause | undefined {
  const { leader } = service;
  if (leader === undefined || isStack(service)) return undefined;
  return leader.hostState?.connected === true ? deathOf(snapshot, leader) : silenceOf(leader);
}

function deathOf({ now }: Snapshot, leader: MemberAt): Cause | undefined {
  const { fact, receivedAt = -Infinity } = leader;
  if (fact?.death === undefined || !leader.isFresh || now - receivedAt > DEATH_FRESH_MS)
    return undefined;
  if (fact.container.state === 'running') return undefined;
  return {
    kind: 'died',
    leader,
    text: `the agent of ${leader.host} says that ${leader.name} died: ${fact.death.word}`,
    evidence: [
      evidence('container', fact.container.state, { wanted: 'running', seenAt: receivedAt }),
      evidence('it died', fact.death.word, { seenAt: receivedAt }),
    ],
  };
}

function silenceOf(leader: MemberAt): Cause {
  const seenAt = leader.hostState?.lastSeenAt;
  return {
    kind: 'silent',
    leader,
    text: `host ${leader.host} of ${leader.name} is silent`,
    evidence: [evidence('agent', 'not connected', { wanted: 'connected', seenAt })],
  };
}
