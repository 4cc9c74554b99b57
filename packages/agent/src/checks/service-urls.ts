// Hosts in the URLs that a member was given. Takes the host and nothing else: such URLs hold
// secrets (I14).
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { readCellOption } from './free-space.js';

export interface NamedHost {
  readonly host: string;
  /** Where the name stands, for an operator to find it. */
  readonly from: string;
}

/** Schemes whose host is looked up in DNS; aha:// names are looked up in AHA. */
const RESOLVED =
  /^(tcp|ssl|tls|https?|postgres(?:ql)?|redis|rediss):\/\/(?:[^/?#@]*@)?(\[[^\]]+\]|[^/:?#]+)/i;

/** Host of a URL whose host must resolve; undefined for unix sockets, aha:// and what is no URL. */
export function hostToResolve(url: string): string | undefined {
  return RESOLVED.exec(url.trim())?.[2]?.replaceAll(/[[\]]/g, '');
}

/** Upstream, engine options, AHA registry and provisioning: each host once for each member. */
export async function hostsOf(member: MemberIntent): Promise<readonly NamedHost[]> {
  const found: NamedHost[] = [];
  const add = (value: unknown, from: string): void => {
    if (typeof value !== 'string') return;
    const host = hostToResolve(value);
    if (host !== undefined && !found.some((other) => other.host === host))
      found.push({ host, from });
  };
  add(member.upstream?.url, 'upstream URL');
  for (const [key, value] of Object.entries(member.spec.engineOptions))
    add(value, `engine option ${key}`);
  for (const [key, value] of Object.entries(member.spec.environment))
    if (key.startsWith('SYN_')) add(value, `environment ${key}`);
  if (member.spec.kind === 'synapse') {
    const registry = await readCellOption(member, 'aha:registry');
    for (const value of Array.isArray(registry) ? (registry as unknown[]) : [registry])
      add(value, 'aha:registry of its cell.yaml');
  }
  return found;
}

/** True for a member that finds others, or is found, through AHA. */
export async function usesAha(member: MemberIntent): Promise<boolean> {
  if (member.spec.kind !== 'synapse') return false;
  const texts = [
    member.upstream?.url,
    ...Object.values(member.spec.engineOptions),
    ...Object.entries(member.spec.environment).map(([key, value]) => `${key}=${value}`),
  ];
  if (texts.some((text) => text !== undefined && /aha:\/\/|_AHA_/.test(text))) return true;
  for (const name of ['aha:registry', 'aha:network', 'aha:provision'])
    if ((await readCellOption(member, name)) !== undefined) return true;
  return false;
}
