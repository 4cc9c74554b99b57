// Rule: members that share the host's network want ports that nobody else has. Reads /proc only.
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { Check, CheckContext, CheckResult, HostRoots } from './check.js';
import { findOwners, isProcessOf, readListening, type SocketOwner } from './listening-sockets.js';

/** A port that a member wants on the host's own network. */
interface Want {
  readonly member: MemberIntent;
  readonly name: string;
  readonly port: number;
}

/**
 * Who held a socket, remembered while the socket lives: the walk over all descriptors is not free.
 */
interface Known {
  readonly owner: SocketOwner;
  readonly member: string | undefined;
}

export const portCollision: Check = createPortCollision();

function createPortCollision(): Check {
  let known: ReadonlyMap<string, Known> = new Map();
  return {
    id: 'port-collision',
    why: 'With network_mode host all members and programs of a host share one set of ports; the second one to bind does not start (deployment guide, compose files with network_mode: host)',
    source: 'deployment guide; proc_pid_net(5)',
    fixable: false,
    run: async ({ roots, members }: CheckContext) => {
      const wants = members.filter(onHostNetwork).flatMap(wantsOf);
      if (wants.length === 0) return [];
      const ports = new Set(wants.map(({ port }) => port));
      const sockets = readListening(roots).filter(({ port }) => ports.has(port));
      known = identify(
        roots,
        sockets.map(({ inode }) => inode),
        wants,
        known,
      );
      return wants.map((want) => {
        const inodes = sockets.filter(({ port }) => port === want.port).map(({ inode }) => inode);
        return judge(want, wants, inodes, known);
      });
    },
  };
}

function onHostNetwork({ spec, run }: MemberIntent): boolean {
  if (run === 'removed' || run === 'retired') return false;
  return spec.runtime === 'process' || spec.networkMode === 'host';
}

function wantsOf(member: MemberIntent): readonly Want[] {
  return Object.entries(member.spec.ports)
    .filter(([, port]) => port > 0)
    .map(([name, port]) => ({ member, name, port }));
}

function identify(
  roots: HostRoots,
  inodes: readonly string[],
  wants: readonly Want[],
  before: ReadonlyMap<string, Known>,
): ReadonlyMap<string, Known> {
  const fresh = new Set(inodes.filter((inode) => !before.has(inode)));
  const owners = fresh.size === 0 ? new Map<string, SocketOwner>() : findOwners(roots, fresh);
  const now = new Map<string, Known>();
  for (const inode of inodes) {
    const earlier = before.get(inode);
    const owner = owners.get(inode);
    if (earlier !== undefined) now.set(inode, earlier);
    else if (owner !== undefined) {
      const mine = wants.find(({ member }) => isProcessOf(roots, owner.pid, member));
      now.set(inode, { owner, member: mine?.member.member });
    }
  }
  return now;
}

function judge(
  want: Want,
  wants: readonly Want[],
  inodes: readonly string[],
  known: ReadonlyMap<string, Known>,
): CheckResult {
  const { member, name, port } = want;
  const base = {
    subject: `${member.member}/${name}`,
    wanted: `port ${port} for ${member.member} alone`,
  };
  const rival = wants.find((other) => other.port === port && other !== want);
  if (rival !== undefined) {
    const seen = `port ${port} is also ${rival.name} of ${rival.member.member}`;
    return {
      ...base,
      severity: 'critical',
      seen,
      fix: 'give one of them another port in the manifest',
    };
  }
  const holders = inodes.map((inode) => known.get(inode));
  const foreign = holders.find((holder) => holder !== undefined && holder.member !== member.member);
  if (foreign !== undefined) {
    const { pid, program } = foreign.owner;
    const seen = `port ${port} is held by ${program} (process ${pid})`;
    return {
      ...base,
      severity: 'critical',
      seen,
      fix: `stop it (ss -ltnp 'sport = :${port}') or choose another port`,
    };
  }
  if (holders.includes(undefined)) {
    const seen = `something listens on port ${port}, whose it is cannot be seen`;
    return {
      ...base,
      severity: 'unknown',
      seen,
      fix: `run the agent as root, or look: ss -ltnp 'sport = :${port}'`,
    };
  }
  const seen =
    holders.length > 0 ? `${member.member} listens on port ${port}` : `port ${port} is free`;
  return { ...base, severity: 'ok', seen, fix: '' };
}
