// The tree of one service: who leads, who mirrors whom, in which term. Pure.
import { assert } from './assert.js';

export interface Retirement {
  readonly member: string;
  /** The term that began when this member lost leadership. */
  readonly term: number;
  readonly at: number;
  readonly reason: string;
}

/** Where the leadership of a service is; moved by promotions only, whatever the manifest said at first. */
export interface Topology {
  readonly service: string;
  /** Rises by one at every promotion, never falls. The first leader leads in term 1. */
  readonly term: number;
  readonly leader: string;
  /** Every member but the leader and the retired ones has one upstream. */
  readonly upstreams: Readonly<Record<string, string>>;
  readonly retired: readonly Retirement[];
}

/** Members that mirror this one directly, in name order. */
export function downstreamsOf(topology: Topology, member: string): readonly string[] {
  return Object.keys(topology.upstreams)
    .filter((name) => topology.upstreams[name] === member)
    .sort();
}

/** 0 for the leader, 1 for its mirrors, 2 for mirrors of mirrors. */
export function depthOf(topology: Topology, member: string): number {
  let depth = 0;
  let at = member;
  while (at !== topology.leader) {
    const upstream = topology.upstreams[at];
    assert(upstream !== undefined, `${at} of ${topology.service} has no way up to the leader`);
    at = upstream;
    depth += 1;
    assert(depth <= 1000, `the mirrors of ${topology.service} form a ring at ${member}`);
  }
  return depth;
}

/** All living members in the order of an update: deepest first, leader last; equal depth by name (I3). */
export function leafsFirst(topology: Topology): readonly string[] {
  const members = [topology.leader, ...Object.keys(topology.upstreams)];
  return members
    .map((member) => ({ member, depth: depthOf(topology, member) }))
    .sort((a, b) => b.depth - a.depth || a.member.localeCompare(b.member))
    .map(({ member }) => member);
}

/** Members below this one at any depth. */
export function subtreeOf(topology: Topology, member: string): readonly string[] {
  return downstreamsOf(topology, member).flatMap((name) => [name, ...subtreeOf(topology, name)]);
}

export function isRetired(topology: Topology, member: string): boolean {
  return topology.retired.some((retirement) => retirement.member === member);
}

/** The tree after a graceful promotion: the old leader mirrors the new one, all others keep their upstream. */
export function handOver(topology: Topology, to: string, term: number): Topology {
  assert(term === topology.term + 1, `term ${term} must follow ${topology.term}`);
  assert(
    topology.upstreams[to] === topology.leader,
    `${to} must be a direct mirror of the leader ${topology.leader}`,
  );
  const { [to]: _, ...others } = topology.upstreams;
  return { ...topology, term, leader: to, upstreams: { ...others, [topology.leader]: to } };
}

/** The tree after a forced promotion: the old leader is retired, its orphans mirror the new leader (I2). */
export function failOver(topology: Topology, to: string, retirement: Retirement): Topology {
  assert(
    retirement.term === topology.term + 1,
    `term ${retirement.term} must follow ${topology.term}`,
  );
  assert(retirement.member === topology.leader, `${retirement.member} is not the leader`);
  assert(to in topology.upstreams, `${to} is not a living mirror of ${topology.service}`);
  const above = pathUp(topology, to);
  const upstreams: Record<string, string> = {};
  for (const [member, upstream] of Object.entries(topology.upstreams)) {
    if (member === to) continue;
    // Members on the way from the new leader up to the old one would mirror their own mirror.
    upstreams[member] = upstream === topology.leader || above.includes(member) ? to : upstream;
  }
  return {
    service: topology.service,
    term: retirement.term,
    leader: to,
    upstreams,
    retired: [...topology.retired, retirement],
  };
}

function pathUp(topology: Topology, member: string): readonly string[] {
  const path: string[] = [];
  for (let at = topology.upstreams[member]; at !== undefined && at !== topology.leader;) {
    path.push(at);
    at = topology.upstreams[at];
  }
  return path;
}
