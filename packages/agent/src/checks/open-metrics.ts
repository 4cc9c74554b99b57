// Rule: a member's metrics are not open to the world. They ask nobody who calls.
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { Check, CheckResult, HostRoots } from './check.js';
import { exposedPorts, isPrivate, renderExposed } from './exposure.js';

export const openMetrics: Check = {
  id: 'open-metrics',
  why: 'Metrics are not authenticated: they tell users, rooms, rates and versions to whoever reaches the port (container image for Synapse workers, “This should only be exposed externally if you’d like the statistics public”)',
  source: 'container image for Synapse workers: Assumptions',
  fixable: false,
  run: async ({ roots, members }) =>
    members
      .filter(({ run, spec }) => run === 'running' && spec.ports['metrics'] !== undefined)
      .map((member) => judge(roots, member)),
};

function judge(roots: HostRoots, member: MemberIntent): CheckResult {
  const base = { subject: member.member, wanted: 'on an address that the world does not reach' };
  const exposed = exposedPorts(roots, member, {
    isWanted: (name) => name === 'metrics',
    usual: [],
  });
  const open = exposed.filter(({ address }) => !isPrivate(address));
  if (open.length > 0)
    return {
      ...base,
      severity: 'warning',
      seen: `${open.map(renderExposed).join('; ')}; whether a firewall is before it cannot be seen here`,
      fix: 'bind it to a private address (engine option publishAddress for a container), or waive this if a firewall keeps the world out',
    };
  const seen = exposed.length === 0 ? 'closed' : exposed.map(renderExposed).join('; ');
  return { ...base, severity: 'ok', seen, fix: '' };
}
