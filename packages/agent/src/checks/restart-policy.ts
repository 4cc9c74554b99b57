// Rule (I2): Docker restarts no container that writes to a member's storage. Judges what the
// runtime listed.
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { ForeignContainer } from '../runtimes/runtime.js';
import type { Check, CheckResult } from './check.js';
import { isWithin } from './mounts.js';

export const restartPolicy: Check = {
  id: 'restart-policy',
  why: 'With a restart policy Docker brings an old leader back after a reboot, before anyone could say that it lost its leadership: two leaders (I2); the guide’s compose files say unless-stopped',
  source: 'invariant I2; Docker, Start containers automatically',
  fixable: false,
  run: async ({ docker, members }) => {
    const related = docker.containers.flatMap((container) => {
      if (container.drill === true) return [];
      const member = memberOf(container, members);
      return member === undefined ? [] : [judge(container, member)];
    });
    const bad = related.filter(({ severity }) => severity !== 'ok');
    return bad.length > 0 ? bad : related.slice(0, 64);
  },
};

/**
 * The member that it is, or whose storage it has mounted for writing (a parent or a part of it
 * counts).
 */
function memberOf(
  container: ForeignContainer,
  members: readonly MemberIntent[],
): MemberIntent | undefined {
  return members.find(
    ({ member, spec }) =>
      member === container.member ||
      container.writes.some((path) => isWithin(path, spec.storage) || isWithin(spec.storage, path)),
  );
}

function judge(container: ForeignContainer, member: MemberIntent): CheckResult {
  const { name, restartPolicy: policy } = container;
  const harmless = policy === 'no' || policy === '';
  const what =
    container.member === undefined
      ? `writes to the storage of ${member.member}`
      : `is ${member.member}`;
  return {
    subject: name,
    severity: harmless ? 'ok' : member.mirrored ? 'critical' : 'warning',
    seen: `container ${name} ${what}, restart policy ${harmless ? 'no' : policy}`,
    wanted: 'restart policy no: the agent starts members',
    fix: harmless ? '' : `docker update --restart=no ${name}   (takes effect without a restart)`,
  };
}
