// What has changed since a plan was made, in words: of the services and members that it relies on, and of its moves. Pure.
// Must never show the value of a variable (I14).
import type { MemberIntent, Move, Plan } from '@leafward/shared/gen/domain.js';
import { canonicalJson } from '@leafward/shared/spec-digest.js';
import type { BasisFacts, MemberBasis } from './basis.js';
import { changesBetween } from './changes.js';
import { plural } from './words.js';

export interface PlanAndFacts {
  readonly plan: Plan;
  /** Undefined: the plan was stored without them. */
  readonly facts: readonly BasisFacts[] | undefined;
}

/** More are a sign of another fleet, not of help. */
const MOST = 20;

/** Whether any difference matters; how long moves are expected to take does not. */
export function isStale(before: Plan, after: Plan): boolean {
  const textOfMoves = ({ moves }: Plan): string => canonicalJson(moves.map(withoutTimes));
  return before.basis !== after.basis || textOfMoves(before) !== textOfMoves(after);
}

/** One sentence for each difference; empty when there is none. */
export function changesSince(before: PlanAndFacts, after: PlanAndFacts): readonly string[] {
  const { facts = [] } = before;
  const found = [
    ...facts.flatMap((old) => {
      const now = after.facts?.find(({ name }) => name === old.name);
      return now === undefined ? [`${old.name} is concerned no more`] : serviceChanges(old, now);
    }),
    ...(before.facts === undefined
      ? []
      : (after.facts ?? [])
          .filter(({ name }) => facts.every((old) => old.name !== name))
          .map(({ name }) => `${name} is concerned as well`)),
    ...moveChanges(before.plan.moves, after.plan.moves),
  ];
  const more = found.length - MOST;
  return more <= 0 ? found : [...found.slice(0, MOST), `and ${plural(more, 'more change')}`];
}

type Word = string | number | undefined;

const became = (what: string, before: Word, now: Word): readonly string[] =>
  before === now ? [] : [`${what} is ${now ?? 'not known'}, it was ${before ?? 'not known'}`];

const only = <T>(some: readonly T[], others: readonly T[]): readonly T[] =>
  some.filter((one) => !others.includes(one));

function serviceChanges(before: BasisFacts, now: BasisFacts): readonly string[] {
  const { name } = before;
  return [
    ...only(now.operations, before.operations).map((id) => `operation ${id} goes on on ${name}`),
    ...only(before.operations, now.operations).map((id) => `operation ${id} on ${name} has ended`),
    ...became(`the declared image of ${name}`, before.image, now.image),
    ...treeChanges(before, now),
    ...memberChanges(before, now),
  ];
}

function treeChanges(
  { name, topology: before }: BasisFacts,
  { topology: now }: BasisFacts,
): readonly string[] {
  if (before === undefined || now === undefined)
    return before === now ? [] : [`${name} is ${now === undefined ? 'gone' : 'deployed by now'}`];
  const members = [...new Set([...Object.keys(before.upstreams), ...Object.keys(now.upstreams)])];
  const isRetired = ({ retired }: typeof now, member: string): boolean =>
    retired.some((one) => one.member === member);
  return [
    ...became(`the leader of ${name}`, before.leader, now.leader),
    ...became(`the term of ${name}`, before.term, now.term),
    ...members
      .filter((member) => member !== before.leader && member !== now.leader)
      .flatMap((member) =>
        became(`the upstream of ${member}`, before.upstreams[member], now.upstreams[member]),
      ),
    ...now.retired
      .filter(({ member }) => !isRetired(before, member))
      .map(({ member, term }) => `${member} was retired at term ${term}`),
    ...before.retired
      .filter(({ member }) => !isRetired(now, member))
      .map(({ member }) => `${member} is retired no more`),
  ];
}

function memberChanges(before: BasisFacts, now: BasisFacts): readonly string[] {
  const [old = [], next = []] = [before.members, now.members];
  const named = (members: readonly MemberBasis[], name: string): MemberBasis | undefined =>
    members.find((one) => one.name === name);
  return [
    ...next.filter(({ name }) => !named(old, name)).map(({ name }) => `${name} has come`),
    ...old.flatMap((member) => {
      const found = named(next, member.name);
      return found === undefined ? [`${member.name} is gone`] : oneChanges(member, found);
    }),
  ];
}

function oneChanges(before: MemberBasis, now: MemberBasis): readonly string[] {
  const { name } = before;
  const connection = now.connected ? 'is connected again' : 'is not connected any more';
  return [
    ...became(`the host of ${name}`, before.host, now.host),
    ...(before.connected === now.connected ? [] : [`host ${now.host} (${name}) ${connection}`]),
    ...became(`the version of ${name}`, before.runs, now.runs),
    ...intentChanges(name, before.intent, now.intent),
  ];
}

/** What it is ordered; of its spec the names of what differs. */
function intentChanges(
  name: string,
  before: MemberIntent | undefined,
  now: MemberIntent | undefined,
): readonly string[] {
  if (before === undefined || now === undefined)
    return before === now
      ? []
      : [`${name} ${now === undefined ? 'is ordered nothing any more' : 'was ordered something'}`];
  const said = [
    ...became(`the order of ${name}`, before.run, now.run),
    ...became(`the ordered role of ${name}`, before.role, now.role),
    ...changesBetween(before.spec, now.spec).map(
      ({ path }) => `${path} of ${name} was ordered anew`,
    ),
  ];
  if (said.length > 0) return said;
  const differing = differingFields(before, now);
  return differing.length === 0 ? [] : [`${name} was ordered anew: ${differing.join(', ')}`];
}

function differingFields(before: object, now: object): readonly string[] {
  const [old, next] = [before, now].map((one) => new Map<string, unknown>(Object.entries(one)));
  return [...new Set([...(old?.keys() ?? []), ...(next?.keys() ?? [])])]
    .filter((key) => textOf(old?.get(key)) !== textOf(next?.get(key)))
    .sort();
}

const textOf = (value: unknown): string => (value === undefined ? '' : canonicalJson(value));

// ---- moves -----------------------------------------------------------------------------------------------------

function moveChanges(before: readonly Move[], now: readonly Move[]): readonly string[] {
  const [old, next] = [before.map(nameOf), now.map(nameOf)];
  const gone = only(old, next).map((name) => `not to be done any more: ${name}`);
  const added = only(next, old).map((name) => `to be done as well: ${name}`);
  const kept = next.filter((name) => old.includes(name));
  const isReordered = old.filter((name) => next.includes(name)).join() !== kept.join();
  const differing = kept.flatMap((name) => {
    const [was, is] = [before[old.indexOf(name)], now[next.indexOf(name)]];
    const fields = was && is ? differingFields(withoutTimes(was), withoutTimes(is)) : [];
    return fields.length === 0 ? [] : [`to be done otherwise: ${name} (${fields.join(', ')})`];
  });
  return [
    ...gone,
    ...added,
    ...(isReordered ? ['the moves have another order'] : []),
    ...differing,
  ];
}

/** How they are numbered and how long the last ones took is nothing to look at. */
const withoutTimes = ({ id: _, expectedMs: __, ...rest }: Move): object => rest;

function nameOf(move: Move): string {
  const subject =
    'member' in move
      ? move.member
      : move.kind === 'place'
        ? move.intent.member
        : move.kind === 'hand-over'
          ? `to ${move.to}`
          : move.kind === 'pull'
            ? move.image.reference
            : move.kind === 'send'
              ? `${move.backup} to ${move.toHost}`
              : move.service;
  return `${move.kind} ${subject}`;
}
