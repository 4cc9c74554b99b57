// What a lease is made of, and that a wait for its end is longer than everything that can happen until then.
import { expect } from 'chai';
import fc from 'fast-check';
import {
  AGENT_TURN_MS,
  DEADMAN_LOOK_MS,
  leaseOf,
  leastMarginMs,
  untilFenced,
} from '@leafward/shared/lease.js';
import { parseManifest } from '@leafward/shared/manifest/parse.js';

const manifestWith = (failover: string): string => `fleet: test
hosts: { alpha: , bravo: }
services:
  cortex:
    kind: synapse
    image: cortex:2.113.0
    stopGrace: 20s
    upstreamUrl: aha://{member}.loop
    failover: ${failover}
    members:
      00.cortex: { host: alpha }
      01.cortex: { host: bravo, upstream: 00.cortex }
`;
const problemsOf = (failover: string): readonly string[] => {
  const parsed = parseManifest(manifestWith(failover));
  return parsed.ok ? [] : parsed.problems.map(({ path, message }) => `${path}: ${message}`);
};
const isolationOf = (failover: string) => {
  const parsed = parseManifest(manifestWith(failover));
  return parsed.ok ? parsed.manifest.services[0]?.failover.isolation : undefined;
};

describe('a lease', () => {
  it('is filled in by rule where nothing is said', () => {
    expect(leaseOf({ onIsolation: 'stop', leaseMs: 30_000 }, 20_000)).to.deep.equal({
      leaseMs: 30_000,
      renewMs: 10_000,
      graceMs: 20_000,
      marginMs: 1100,
    });
  });

  it('is as the manifest says, and the same data as before where it says nothing', () => {
    expect(isolationOf('{ onIsolation: stop, lease: 5s }')).to.deep.equal({
      onIsolation: 'stop',
      leaseMs: 5000,
    });
    const all = '{ onIsolation: stop, lease: 5s, renew: 1s, stopGrace: 2s, clockMargin: 700ms }';
    const isolation = isolationOf(all);
    expect(isolation && untilFenced(leaseOf(isolation, 20_000))).to.equal(5000 + 3000 + 2000 + 700);
  });

  it('is refused where its parts do not fit each other', () => {
    const at = 'services.cortex.failover';
    expect(problemsOf('{ lease: 6s, renew: 4s }')[0]).to.match(
      new RegExp(`^${at}.renew: a lease of 6s must be renewed at least twice`),
    );
    expect(problemsOf('{ lease: 6s, renew: 100ms }')).to.have.length(1);
    expect(problemsOf('{ lease: 6s, stopGrace: 30s }')[0]).to.match(
      new RegExp(`^${at}.stopGrace: an isolated leader cannot have 30s`),
    );
    expect(problemsOf('{ lease: 6s, clockMargin: 500ms }')[0]).to.match(
      new RegExp(`^${at}.clockMargin: .* may differ by 812ms: 500ms is too little`),
    );
    expect(problemsOf('{ lease: 6s, renew: 3s, stopGrace: 5s, clockMargin: 1s }')).to.eql([]);
  });

  it('is over for a waiter only when it is over at the host, however their clocks run', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 3000, max: 600_000 }),
        fc.integer({ min: 0, max: 600_000 }),
        fc.integer({ min: -1000, max: 1000 }),
        (leaseMs, graceMs, partsPerMillion) => {
          const marginMs = leastMarginMs({ leaseMs, graceMs });
          // A host whose clock is slow by so much ends everything later by the waiter's clock.
          const atHost = leaseMs + AGENT_TURN_MS + DEADMAN_LOOK_MS + graceMs;
          const waited = untilFenced({ leaseMs, graceMs, marginMs });
          expect(atHost * (1 + partsPerMillion / 1e6)).to.be.lessThan(waited);
        },
      ),
    );
  });
});
