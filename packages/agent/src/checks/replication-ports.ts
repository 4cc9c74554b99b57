// Rule: the replication ports of a homeserver can be reached by its own processes and by nobody else.
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { Check, CheckResult, HostRoots } from './check.js';
import { exposedPorts, isLoopback, renderExposed } from './exposure.js';

/** Streams, and HTTP between the processes: fixed in the image for workers. */
const USUAL = [9092, 9093];

export const replicationPorts: Check = {
  id: 'replication-ports',
  why: 'Port 9093 hands whoever reaches it a login token for any user of the server, port 9092 streams everything to anyone; neither asks who calls (container image for Synapse workers, “These must not be exposed to the outside world”)',
  source: 'container image for Synapse workers: Assumptions',
  fixable: false,
  run: async ({ roots, members }) =>
    members
      .filter(({ run, spec }) => run === 'running' && spec.kind === 'matrix-synapse')
      .map((member) => judge(roots, member)),
};

function judge(roots: HostRoots, member: MemberIntent): CheckResult {
  const base = { subject: member.member, wanted: 'on the loopback address or not published' };
  const exposed = exposedPorts(roots, member, {
    isWanted: (name) => name.startsWith('replication'),
    usual: USUAL,
  });
  const open = exposed.filter(({ address }) => !isLoopback(address));
  if (open.length > 0)
    return {
      ...base,
      severity: 'critical',
      seen: open.map(renderExposed).join('; '),
      fix: 'take them out of ports of the manifest and let the processes share a Docker network, or bind them to 127.0.0.1; between hosts only through a tunnel or a firewall (then waive this with the reason)',
    };
  const seen = exposed.length === 0 ? 'not published' : exposed.map(renderExposed).join('; ');
  return { ...base, severity: 'ok', seen, fix: '' };
}
