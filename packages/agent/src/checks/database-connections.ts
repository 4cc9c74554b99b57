// Rule: the processes of a stack fit into the connections that its database gives out. Reckons from the manifest.
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { Check, CheckResult } from './check.js';

/** cp_max of homeserver.yaml's database settings, and max_connections of PostgreSQL, by default. */
const POOL = 10;
const MOST = 100;
/** superuser_reserved_connections: nobody else gets these. */
const RESERVED = 3;

export const databaseConnections: Check = {
  id: 'database-connections',
  why: 'Each process of a homeserver opens up to 10 connections and PostgreSQL gives out 100: a process that gets none ends at its start, “too many connections”',
  source: 'PostgreSQL 15: Connections and Authentication',
  fixable: false,
  run: async ({ members }) =>
    members
      .filter(({ run, spec }) => run === 'running' && spec.kind === 'matrix-synapse')
      .filter(({ role }) => role === 'leader')
      .map((main) => judge(main, members)),
};

function judge(main: MemberIntent, members: readonly MemberIntent[]): CheckResult {
  const here = members.filter(({ service }) => service === main.service);
  const others = numberOf(main, 'workers', 0);
  const count = Math.max(here.length, others + 1);
  const pools = here.map((member) => numberOf(member, 'databasePool', POOL));
  const known = pools.reduce((sum, pool) => sum + pool, 0);
  const wantedMost = known + (count - here.length) * numberOf(main, 'databasePool', POOL);
  const most = numberOf(main, 'databaseConnections', MOST) - RESERVED;
  const seen = `${count} processes open up to ${wantedMost} connections, ${most} are given out`;
  const base = { subject: main.member, wanted: `at most ${most}`, seen };
  if (wantedMost <= most) return { ...base, severity: 'ok', fix: '' };
  return {
    ...base,
    severity: 'warning',
    fix: 'raise max_connections of the database or lower cp_max in homeserver.yaml, and say so in the engine options databaseConnections and databasePool',
  };
}

function numberOf({ spec }: MemberIntent, option: string, otherwise: number): number {
  const text = spec.engineOptions[option];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : otherwise;
}
