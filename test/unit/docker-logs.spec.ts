// Logs of containers over an Engine's own words: an HTTP server on a socket that answers as one does.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { OutputLine } from '@leafward/agent/logs/member-output.js';
import { connectEngine } from '@leafward/agent/runtimes/docker/engine-client.js';
import { dockerOutput } from '@leafward/agent/runtimes/docker/read-logs.js';
import { systemClock } from '@leafward/shared/clock.js';
import { eventually } from '../conformance/runtime.js';

interface Written {
  /** RFC 3339 with nanoseconds, zeros at the end left out: as the Engine writes it. */
  readonly stamp: string;
  readonly text: string;
}

describe('the log of a container', () => {
  let directory: string;
  let server: Server;
  let written: Written[];
  let container: string | undefined;
  let asked: URLSearchParams[];
  let open: Set<ServerResponse>;

  const frame = ({ stamp, text }: Written, channel = 1): Buffer => {
    const payload = Buffer.from(`${stamp} ${text}\n`);
    const head = Buffer.alloc(8);
    head.writeUInt8(channel, 0);
    head.writeUInt32BE(payload.length, 4);
    return Buffer.concat([head, payload]);
  };
  const secondsOf = (stamp: string): number => Date.parse(stamp) / 1000;
  const write = (stamp: string, text: string): void => {
    written.push({ stamp, text });
    for (const response of open) response.write(frame({ stamp, text }, 2));
  };
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://engine');
    if (pathname !== `/containers/${container ?? ''}/logs`) {
      response.writeHead(404, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ message: 'No such container' }));
      return;
    }
    asked.push(searchParams);
    const since = Number(searchParams.get('since') ?? 0);
    const lines = written.filter(
      ({ stamp }) => secondsOf(stamp) >= Math.floor(since * 1000) / 1000,
    );
    response.writeHead(200);
    response.flushHeaders();
    for (const line of lines.slice(-Number(searchParams.get('tail')))) response.write(frame(line));
    if (searchParams.get('follow') !== 'true') return void response.end();
    open.add(response);
    response.on('close', () => open.delete(response));
  };
  const output = () =>
    dockerOutput({
      client: connectEngine(join(directory, 'engine.sock')),
      clock: systemClock,
      container: () => Promise.resolve(container),
    });
  const wanted = { sinceMs: undefined, maxLines: 2, keep: () => true, isFiltered: false };
  const never = new AbortController().signal;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lw-engine-'));
    [written, asked, open, container] = [[], [], new Set(), 'c1'];
    server = createServer(answer);
    await new Promise<void>((resolve) => server.listen(join(directory, 'engine.sock'), resolve));
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(directory, { recursive: true, force: true });
  });

  it('is read from its end, with the times that the Engine wrote', async () => {
    write('2026-11-22T01:00:00.1Z', 'one');
    write('2026-11-22T01:00:00.100000005Z', 'two');
    write('2026-11-22T01:00:02.5Z', '{"message":"three"}');
    expect((await output().past(wanted, never)).lines).to.deep.equal([
      { text: 'two', at: Date.UTC(2026, 10, 22, 1, 0, 0, 100) },
      { text: '{"message":"three"}', at: Date.UTC(2026, 10, 22, 1, 0, 2, 500) },
    ]);
    expect(asked[0]?.get('tail')).to.equal('2');
    const filtered = {
      ...wanted,
      isFiltered: true,
      keep: ({ text }: OutputLine) => text === 'one',
    };
    const { lines, isCut } = await output().past(filtered, never);
    expect([lines.map(({ text }) => text), isCut]).to.deep.equal([['one'], false]);
    container = undefined;
    expect(await output().past(wanted, never)).to.deep.equal({ lines: [], isCut: false });
  });

  it('is followed from there over a new container, and no line comes twice', async () => {
    write('2026-11-22T01:00:00.82Z', 'before');
    const one = output();
    await one.past(wanted, never);
    const stop = new AbortController();
    const lines: string[] = [];
    const done = one.follow(({ text }) => lines.push(text), stop.signal);
    const until = (text: string): Promise<unknown> =>
      eventually(
        () => lines.at(-1),
        (last) => last === text,
        `${text} is told`,
        60_000,
      );
    await eventually(
      () => open.size,
      (size) => size === 1,
      'it is followed',
      60_000,
    );
    write('2026-11-22T01:00:00.825Z', 'after');
    write('2026-11-22T01:00:00.825Z', 'at the same moment');
    await until('at the same moment');
    container = 'c2';
    for (const response of [...open]) {
      open.delete(response);
      response.end();
    }
    await eventually(
      () => open.size,
      (size) => size === 1,
      'it is followed again',
      60_000,
    );
    write('2026-11-22T01:00:03Z', 'of the new one');
    await until('of the new one');
    stop.abort();
    await done;
    expect(lines).to.deep.equal(['after', 'at the same moment', 'of the new one']);
    expect(asked.at(-1)?.get('since')).to.equal('1795309200.825000000');
  });
});
