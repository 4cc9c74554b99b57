// Rule: no address translation between a Synapse service and AHA. Judges network modes and listen
// addresses.
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { Check, CheckResult } from './check.js';
import { readCellOption } from './free-space.js';
import { hostToResolve, usesAha } from './service-urls.js';

const TRANSLATED = new Set(['', 'bridge', 'default', 'nat']);
const ANY = new Set(['0.0.0.0', '::', '*']);

export const addressTranslation: Check = {
  id: 'address-translation',
  why: 'AHA hands out the address that it sees a service connect from, so the connection to AHA must not pass through a NAT device (devops guide, “AHA”, note)',
  source: 'devops guide, AHA',
  fixable: false,
  run: async ({ members }) => {
    const judged = members
      .filter(({ run }) => run !== 'removed' && run !== 'retired')
      .map(async (member) => ((await usesAha(member)) ? [await judge(member)] : []));
    return (await Promise.all(judged)).flat();
  },
};

async function judge(member: MemberIntent): Promise<CheckResult> {
  const { runtime, networkMode } = member.spec;
  const subject = member.member;
  const wanted = 'network mode host, listening on an address of this host';
  if (runtime === 'docker' && networkMode !== 'host')
    return judgeNetwork(subject, networkMode, wanted);
  const listen = await readCellOption(member, 'dmon:listen');
  const address = typeof listen === 'string' ? hostToResolve(listen) : undefined;
  if (address !== undefined && isIP(address) !== 0 && !ANY.has(address)) {
    if (address === '::1' || address.startsWith('127.')) {
      const seen = `dmon:listen on ${address}: only this host can connect, AHA hands out another address`;
      return {
        subject,
        severity: 'warning',
        seen,
        wanted,
        fix: 'dmon:listen: ssl://0.0.0.0:… in its cell.yaml',
      };
    }
    if (!ownAddresses().has(address)) {
      const seen = `dmon:listen on ${address}, which this host does not have: something translates it`;
      return {
        subject,
        severity: 'critical',
        seen,
        wanted,
        fix: 'listen on 0.0.0.0 or on an address of this host',
      };
    }
  }
  const seen = runtime === 'docker' ? 'network mode host' : 'runs on the host’s own network';
  return { subject, severity: 'ok', seen, wanted, fix: '' };
}

function judgeNetwork(subject: string, networkMode: string, wanted: string): CheckResult {
  const fix = 'networkMode: host in the manifest';
  if (networkMode === 'none') {
    const seen = 'network mode none: it cannot reach AHA at all';
    return { subject, severity: 'critical', seen, wanted, fix };
  }
  if (TRANSLATED.has(networkMode)) {
    const seen = `network mode ${networkMode === '' ? 'bridge' : networkMode}: Docker translates its addresses`;
    return { subject, severity: 'critical', seen, wanted, fix };
  }
  const seen = `network mode ${networkMode}: translated unless it is a macvlan or ipvlan network`;
  return {
    subject,
    severity: 'warning',
    seen,
    wanted,
    fix: `${fix}, or waive this if the network is macvlan or ipvlan`,
  };
}

function ownAddresses(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return new Set(all.map(({ address }) => address));
}
