// Who leads, in which term, by what hosts remember: the newest term wins, and whatever contradicts it is told instead
// of being decided. Pure. Must never name a retired member as one that may lead (I2).
import {
  followsNow,
  isRunning,
  leadsNow,
  type ServiceEvidence,
  type Sighting,
} from './rebuild-evidence.js';
import { listed, type Objection } from './words.js';

export interface Line {
  readonly kind: 'line';
  readonly leader: string;
  readonly term: number;
  /** Worth knowing, and no reason to wait. */
  readonly notes: readonly string[];
}

export type LineOrObjections =
  Line | { readonly kind: 'open'; readonly problems: readonly Objection[] };

const open = (...problems: readonly Objection[]): LineOrObjections => ({ kind: 'open', problems });

/** At least one sighting; everybody who could say otherwise was heard or given up. */
export function lineOf(
  evidence: ServiceEvidence,
  sightings: readonly Sighting[],
): LineOrObjections {
  const living = sightings.filter(({ retirement }) => retirement === undefined);
  const term = newest((living.length > 0 ? living : sightings).map(({ intent }) => intent.term));
  const current = living.filter(({ intent }) => intent.term === term);
  const leaders = current.filter(({ intent }) => intent.role === 'leader');
  const line =
    leaders.length > 1
      ? open(
          twoLeaders(
            evidence,
            term,
            leaders.map(({ member }) => member),
          ),
        )
      : leaders.length === 1
        ? afterPromotion(evidence, sightings, leaders[0] as Sighting)
        : byMirrors(evidence, sightings, current, term);
  if (line.kind === 'open') return line;
  const newer = claimsAbove(evidence, sightings, line);
  return newer.length === 0 ? line : open(newerTerm(evidence, line, newer));
}

const newest = (terms: readonly number[]): number => terms.reduce((a, b) => Math.max(a, b), 0);

/** A graceful promotion is committed after it happened: it may have happened, and the commit is lost. */
function afterPromotion(
  evidence: ServiceEvidence,
  sightings: readonly Sighting[],
  leader: Sighting,
): LineOrObjections {
  const { term } = leader.intent;
  const line: Line = { kind: 'line', leader: leader.member, term, notes: stoppedNote(leader) };
  const begun = sightings.filter(({ promotedAt }) => promotedAt > term);
  const [promoted] = begun;
  if (promoted === undefined) return line;
  const isAtWork = promoted.fact?.activity !== undefined;
  if (begun.length === 1 && !isAtWork && promoted.retirement === undefined) {
    if (leadsNow(promoted) && (followsNow(leader) || !isRunning(leader)))
      return {
        ...line,
        leader: promoted.member,
        term: promoted.promotedAt,
        notes: [`${promoted.member} had taken over from ${leader.member}, which nobody wrote down`],
      };
    if (leadsNow(leader) && promoted.fact !== undefined && !leadsNow(promoted))
      return {
        ...line,
        notes: [`a promotion of ${promoted.member} had begun; ${leader.member} still leads`],
      };
  }
  return open({
    code: 'promotion-half',
    subject: evidence.service,
    message: `${listed(begun.map(({ member }) => member))} began to take over from ${leader.member} (term ${term}), and which of them leads is not clear`,
    unblock: 'bring both up, so that both say who leads; it goes on by itself',
    evidence: [],
  });
}

const stoppedNote = ({ member, intent }: Sighting): readonly string[] =>
  intent.run === 'running'
    ? []
    : [`${member} leads and was told to stop by an operation that is lost: look at it`];

/** Nobody has an order to lead in the newest term: those who follow say whom. */
function byMirrors(
  evidence: ServiceEvidence,
  sightings: readonly Sighting[],
  current: readonly Sighting[],
  term: number,
): LineOrObjections {
  const following = new Set(current.map(({ member }) => member));
  const roots = current
    .flatMap(({ intent }) => intent.upstream?.member ?? [])
    .filter((upstream) => !following.has(upstream));
  const named = [...new Set(roots)].sort();
  const [root] = named;
  if (named.length > 1) return open(twoLeaders(evidence, term, named));
  const known = sightings.find(({ member }) => member === (root ?? lastFenced(sightings)));
  if (known === undefined) return byName(evidence, root, term);
  const line: Line = { kind: 'line', leader: known.member, term, notes: [] };
  if (known.retirement !== undefined)
    return {
      ...line,
      notes: [
        `${known.member} is fenced and nobody was promoted: its failover is lost half-way, plan it again`,
      ],
    };
  return { ...line, notes: [`${known.member} leads, and has not taken its order of term ${term}`] };
}

/** All are retired: the last one that led. */
const lastFenced = (sightings: readonly Sighting[]): string | undefined =>
  [...sightings].sort(
    (a, b) =>
      (b.retirement?.term ?? 0) - (a.retirement?.term ?? 0) || (a.member < b.member ? -1 : 1),
  )[0]?.member;

/** A host that was given up held the leader; the manifest says which. */
function byName(
  { service, declared, gone }: ServiceEvidence,
  name: string | undefined,
  term: number,
): LineOrObjections {
  const host = declared?.members.find((member) => member.name === name)?.host;
  if (name !== undefined && host !== undefined && gone.includes(host))
    return {
      kind: 'line',
      leader: name,
      term,
      notes: [`${name} leads on ${host}, which was given up: leafward plan failover ${service}`],
    };
  return open({
    code: 'leader-unseen',
    subject: service,
    message: `${name ?? 'whoever'} leads ${service} in term ${term} by the word of its mirrors, and no agent has an order for it${host === undefined ? '' : `; the manifest has it on ${host}`}`,
    unblock: `bring its host up with the agent that it had; if it is lost for good: leafward-controller rebuild --gone HOST --reason "why" --manifest fleet.yaml`,
    evidence: [],
  });
}

function claimsAbove(
  { service, hosts }: ServiceEvidence,
  sightings: readonly Sighting[],
  { leader, term }: Line,
): readonly string[] {
  const orders = Object.keys(hosts).flatMap((host) => {
    const told = hosts[host]?.memory.terms[service] ?? 0;
    return told > term ? [`${host} has followed an order of term ${told}`] : [];
  });
  const members = sightings.flatMap(({ member, retirement, fact }) => [
    // The fence of a failover is one term ahead of it.
    ...(retirement !== undefined && retirement.term > term && member !== leader
      ? [`${member} was retired at term ${retirement.term}`]
      : []),
    ...((fact?.storage.markerTerm ?? 0) > term
      ? [`the storage of ${member} has lived in term ${fact?.storage.markerTerm ?? 0}`]
      : []),
  ]);
  return [...orders, ...members];
}

const twoLeaders = (
  { service }: ServiceEvidence,
  term: number,
  names: readonly string[],
): Objection => ({
  code: 'two-leaders',
  subject: service,
  message: `${listed(names)} both lead ${service} in term ${term} by what is remembered (I1)`,
  unblock:
    'nothing is decided for it: stop one of them for certain, give its host up with --gone HOST and a reason, and reseed it later',
  evidence: [],
});

const newerTerm = (
  { service }: ServiceEvidence,
  { leader, term }: Line,
  claims: readonly string[],
): Objection => ({
  code: 'newer-term',
  subject: service,
  message: `${leader} leads in term ${term} by the newest order, but ${claims.join('; ')}`,
  unblock:
    'somebody led since, whose host is not named yet: name all hosts with --host, and bring them up',
  evidence: [],
});
