// What an agent makes of the deprecation warnings in a member's log.
import { expect } from 'chai';
import { createDeprecationReader, deprecationIn } from '@leafward/agent/observe/deprecations.js';
import type { Runtime } from '@leafward/agent/runtimes/runtime.js';
import type { ContainerFact } from '@leafward/shared/gen/domain.js';

const SAID = '$lib.old is deprecated in 2.x and will be removed in 3.0.0';
const plain = `2026-11-22 01:02:03,456 [WARNING] ${SAID} [common.py:deprecated:MainThread:MainProcess]`;
const container = (digest: string): ContainerFact => ({ state: 'running', imageDigest: digest });

/** A log file of which every look gives the last lines, read before or not. */
function stage() {
  const log: string[] = [];
  let now = 1_000_000;
  const clock = { now: () => now, monotonic: () => now, sleep: async () => undefined };
  const reader = createDeprecationReader(clock);
  const runtime = { tail: async () => log.slice(-500) } as unknown as Runtime;
  const look = (digest = 'sha256:1') =>
    reader.look(
      { member: 'm', runtime, container: container(digest), redact: (text) => text },
      new AbortController().signal,
    );
  return { log, look, later: (ms: number) => void (now += ms), now: () => now };
}

describe('deprecation warnings', () => {
  it('are read from plain lines and structured ones, in their own words', () => {
    expect(deprecationIn(plain)).to.equal(SAID);
    expect(deprecationIn(JSON.stringify({ message: SAID, level: 'WARNING' }))).to.equal(SAID);
    expect(deprecationIn('2026-11-22 01:02:03,456 [INFO] all is well')).to.equal(undefined);
    expect(deprecationIn('WARNING: tcp://u:secret@h is deprecated')).to.not.include('secret');
    expect(deprecationIn(`${'x'.repeat(5000)} deprecated`)?.length ?? 0).to.be.at.most(200);
  });

  it('are counted once each, however often the log gives their lines', async () => {
    const { log, look, later, now } = stage();
    const began = now();
    log.push('a start', plain, 'other', plain);
    expect(await look()).to.deep.equal({
      deprecations: [{ text: SAID, count: 2, firstSeenAt: began, lastSeenAt: began }],
      unlisted: 0,
    });
    log.push(plain);
    later(1000);
    expect((await look())?.deprecations[0]?.count, 'within a minute').to.equal(2);
    later(60_000);
    const third = { text: SAID, count: 3, firstSeenAt: began, lastSeenAt: now() };
    expect((await look())?.deprecations).to.deep.equal([third]);
    later(60_000);
    expect((await look())?.deprecations).to.deep.equal([third]);
  });

  it('are bounded, and begin anew with another image', async () => {
    const { log, look, later } = stage();
    for (let index = 0; index < 25; index += 1) log.push(`thing ${index} is deprecated`);
    const found = await look();
    expect(found?.deprecations).to.have.length(20);
    expect(found?.unlisted).to.equal(5);
    log.length = 0;
    later(60_000);
    expect(await look('sha256:2')).to.equal(undefined);
  });
});
