// What an engine is told of a member: a part of its order. Pure.
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { EngineMember } from './engine.js';

export function engineMember(intent: MemberIntent): EngineMember {
  const { member, service, spec, exec, role, upstream } = intent;
  return { member, service, spec, exec, role, upstreamUrl: upstream?.url };
}
