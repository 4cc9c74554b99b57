// The client against a real cell, when LEAFWARD_TELEPATH_SOCKET names its socket. Reads only.
import { expect } from 'chai';
import { openLink } from '@leafward/agent/engines/synapse/telepath/link.js';
import { decode } from '@leafward/agent/engines/synapse/telepath/decode.js';
import { createMessageReader } from '@leafward/agent/engines/synapse/telepath/message-reader.js';
import { listOf, mapOf, type Value } from '@leafward/agent/engines/synapse/telepath/value.js';
import { RECORDED_VERSIONS, readRecorded } from './recorded.js';
import { differences } from './shape.js';

const DEADLINE_MS = 10_000;
const READS = [
  'getCellType',
  'getCellIden',
  'getCellRunId',
  'isCellActive',
  'getNexsIndx',
  'getBackups',
];

describe('telepath client against a real cell', () => {
  const path = process.env['LEAFWARD_TELEPATH_SOCKET'];

  it('reads what the recordings say', async () => {
    if (path === undefined || path === '') {
      console.log('      skipped: LEAFWARD_TELEPATH_SOCKET names no socket of a real cell');
      return;
    }
    const signal = new AbortController().signal;
    const link = await openLink(
      { address: { kind: 'unix', path }, deadlineMs: DEADLINE_MS },
      signal,
    );
    const version = RECORDED_VERSIONS.find((known) => known === link.version) ?? '2.113.0';
    const wrong: string[] = [];
    for (const method of READS) {
      const got = await link.call({ method }, DEADLINE_MS, signal);
      wrong.push(...differences(recordedValue(version, method), got, `.${method}`));
    }
    const info = mapOf(await link.call({ method: 'getCellInfo' }, DEADLINE_MS, signal));
    link.close();
    expect(mapOf(info['cell'])).to.include.keys('iden', 'active', 'ready', 'type');
    expect(wrong).to.deep.equal([]);
  });
});

function recordedValue(version: string, method: string): Value {
  const exchange = readRecorded(version).find(({ label }) => label === method);
  const [message] = createMessageReader(1 << 20).push(exchange?.received ?? new Uint8Array());
  const retn = mapOf(listOf(decode(message ?? new Uint8Array()))[1])['retn'];
  return listOf(retn)[1] ?? null;
}
