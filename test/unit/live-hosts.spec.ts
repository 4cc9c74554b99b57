// What is held of hosts: always the newest in value, always the old object where nothing changed.
import { expect } from 'chai';
import fc from 'fast-check';
import { afterReport, unknownHost, withEqualParts } from '@leafward/controller/live-hosts.js';
import type { Report } from '@leafward/shared/gen/domain.js';
import { memberFact } from './metrics-fixture.js';

const report = (position: number): Report => {
  const fact = memberFact('cortex', '00.cortex');
  return {
    sequence: position,
    sentAt: 1000,
    generation: 1,
    members: [
      {
        ...fact,
        seenAt: 1000,
        engine: { ...fact.engine, position },
        container: { ...fact.container },
      },
    ],
    outcomes: [],
    refusedOrders: 0,
  };
};

describe('a live host', () => {
  it('shows the newest report and keeps what it did not change', () => {
    const first = afterReport(unknownHost('alpha'), report(1), 2000);
    const second = afterReport(first, report(2), 3000);
    const [before, after] = [first, second].map((host) => host.members['00.cortex']);
    expect(after?.value.engine.position).to.equal(2);
    expect(after?.receivedAt).to.equal(3000);
    expect(after?.value.container).to.equal(before?.value.container);
    expect(before?.value.engine.position).to.equal(1);
  });

  it('counts a fact from when it was seen, not from when it was told', () => {
    const told = report(1);
    const members = told.members.map((fact) => ({ ...fact, seenAt: told.sentAt - 400 }));
    const host = afterReport(unknownHost('alpha'), { ...told, members }, 5000);
    expect(host.members['00.cortex']?.receivedAt).to.equal(4600);
    expect(host.lastSeenAt).to.equal(5000);
  });

  it('forgets a member that is reported no more', () => {
    const first = afterReport(unknownHost('alpha'), report(1), 2000);
    const second = afterReport(first, { ...report(2), members: [] }, 3000);
    expect(second.members).to.deep.equal({});
  });

  it('is equal in value to what was reported, whatever was held', () => {
    const data = fc.jsonValue({ maxDepth: 3 });
    fc.assert(
      fc.property(data, data, (before, after) => {
        const text = JSON.stringify(after);
        const held = JSON.stringify(before);
        expect(withEqualParts(before, after)).to.deep.equal(after);
        expect(withEqualParts(structuredClone(after), after)).to.deep.equal(after);
        expect(JSON.stringify(withEqualParts(before, after))).to.equal(text);
        expect(JSON.stringify(before)).to.equal(held);
      }),
    );
  });

  it('is the held one when nothing changed', () => {
    const held = { a: [1, { b: 'text' }], c: undefined };
    expect(withEqualParts(held, structuredClone(held))).to.equal(held);
    expect(withEqualParts(held, { a: [1, { b: 'text' }] })).to.not.equal(held);
  });
});
