// Lines of members on their way to an operator: what a line says, what is kept when nobody takes it, in which order
// lines of several hosts come, and what is left out that comes twice.
import { appendFile, copyFile, mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createLineQueue } from '@leafward/agent/logs/line-queue.js';
import { splitLines } from '@leafward/agent/logs/line-splitter.js';
import type { LogsStream } from '@leafward/agent/logs/log-line.js';
import { createLogs } from '@leafward/agent/logs/logs.js';
import type { OutputLine, PastWanted } from '@leafward/agent/logs/member-output.js';
import { continues, isAtLeast, parseLine, timeIn } from '@leafward/agent/logs/parse-line.js';
import { newestLines, type NewestLines } from '@leafward/agent/logs/newest-lines.js';
import { processOutput } from '@leafward/agent/runtimes/process/read-output.js';
import { createSeen } from '@leafward/controller/cli/watch/follow-logs.js';
import { nextSource } from '@leafward/controller/logs/merge.js';
import { newSource, shift, take, type Source } from '@leafward/controller/logs/source.js';
import { systemClock } from '@leafward/shared/clock.js';
import type { LogLine, LogsRequest, LogsWish } from '@leafward/shared/gen/domain.js';
import { createLogger } from '@leafward/shared/log.js';
import { eventually } from '../conformance/runtime.js';

const STRUCTURED = JSON.stringify({
  message: 'Error during storm execution for { || }',
  logger: {
    name: 'synapse.lib.view',
    process: 'MainProcess',
    filename: 'view.py',
    func: 'runStorm',
  },
  level: 'ERROR',
  time: '2021-06-28 15:49:34,401',
  err: {
    ename: 'forked',
    mesg: 'No terminal defined',
    etb: 'Traceback\n  line 1\n',
    errname: 'BadSyntax',
  },
});

describe('a line of a log', () => {
  it('that is structured is taken apart, its traceback with it', () => {
    expect(parseLine(STRUCTURED)).to.deep.equal({
      at: new Date(2021, 5, 28, 15, 49, 34, 401).getTime(),
      level: 'error',
      logger: 'synapse.lib.view',
      message: 'Error during storm execution for { || }',
      detail: 'Traceback\n  line 1\nBadSyntax: No terminal defined',
      record: STRUCTURED,
    });
    const newer = { code: 'BadArg', mesg: 'no', traceback: [['a.py', 3, 'run', 'x']] };
    const text = JSON.stringify({ message: 'm', level: 'ERROR', error: newer });
    expect(parseLine(text).detail).to.equal('  a.py:3 in run\nBadArg: no');
  });

  it('that is plain stays as it is; its level and time are known where it says them', () => {
    const plain =
      '2021-06-28 15:47:54,825 [WARNING] low space [cell.py:run:MainThread:MainProcess]';
    expect(parseLine(plain)).to.deep.equal({
      at: new Date(2021, 5, 28, 15, 47, 54, 825).getTime(),
      level: 'warning',
      message: plain,
    });
    expect(parseLine('2026-11-22 01:00:00.5 UTC [12] FATAL:  no').level).to.equal('critical');
    expect(parseLine('an error is no ERRORS')).to.deep.equal({ message: 'an error is no ERRORS' });
    for (const odd of ['{', '{}', '{"message":7}', '[1]', ''])
      expect(parseLine(odd)).to.deep.equal({ message: odd });
  });

  it('has the time that its runtime took it, before its own', () => {
    expect(parseLine(STRUCTURED, 7).at).to.equal(7);
    expect(timeIn('2026-11-22T01:00:00.123456Z x')).to.equal(Date.UTC(2026, 10, 22, 1, 0, 0, 123));
    expect(timeIn('2026-11-22 01:00:00 +02:00')).to.equal(Date.UTC(2026, 10, 21, 23));
    expect(timeIn('2026-99-22 01:00:00')).to.equal(undefined);
  });

  it('is left out below the level, unless nobody knows its own', () => {
    expect(isAtLeast({ level: 'info', message: '' }, 'warning')).to.equal(false);
    expect(isAtLeast({ level: 'error', message: '' }, 'warning')).to.equal(true);
    expect(isAtLeast({ message: 'Killed' }, 'critical')).to.equal(true);
    expect(continues(parseLine('  File "x.py", line 3'))).to.equal(true);
    expect(continues(parseLine('Traceback'))).to.equal(false);
  });

  it('is found in pieces that are cut anywhere, and is cut when it has no end', () => {
    const text = Buffer.from('one\r\ntwo ä\n\nlast');
    for (let cut = 0; cut <= text.length; cut += 1) {
      const lines = splitLines();
      const found = [...lines.take(text.subarray(0, cut)), ...lines.take(text.subarray(cut))];
      expect([...found, lines.rest()]).to.deep.equal(['one', 'two ä', '', 'last']);
    }
    const long = splitLines();
    for (let part = 0; part < 10; part += 1) long.take(Buffer.alloc(16_384, 'x'));
    expect(long.take(Buffer.from('\nnext\n')).map(({ length }) => length)).to.deep.equal([
      65_536, 4,
    ]);
  });
});

describe('lines that wait to be sent', () => {
  it('are few, and those that find no room are counted, at their place', () => {
    const queue = createLineQueue();
    for (let number = 0; number < 2_500; number += 1)
      queue.push({ member: 'm', message: String(number) });
    const messages: LogsRequest[] = [];
    for (let next = queue.next(); next !== undefined; next = queue.next()) messages.push(next);
    const lines = messages.flatMap((one) => (one.kind === 'lines' ? one.lines : []));
    expect(lines.map(({ message }) => message)).to.deep.equal(
      Array.from({ length: 2_000 }, (_, number) => String(number)),
    );
    expect(messages.at(-1)).to.deep.equal({ kind: 'skipped', member: 'm', lines: 500 });
    queue.push({ member: 'm', message: 'after it' });
    expect(queue.next()).to.deep.equal({
      kind: 'lines',
      lines: [{ member: 'm', message: 'after it' }],
    });
  });
});

describe('the newest lines of a past', () => {
  const textsOf = (newest: NewestLines): readonly string[] =>
    newest.lines().map(({ text }) => text);

  it('are as many as are wanted', () => {
    const newest = newestLines(3);
    for (let number = 0; number < 5_000; number += 1) newest.push({ text: String(number) });
    expect(textsOf(newest)).to.deep.equal(['4997', '4998', '4999']);
    expect(newest.isCut()).to.equal(false);
    const none = newestLines(0);
    none.push({ text: 'x' });
    expect(textsOf(none)).to.deep.equal([]);
  });

  it('are fewer where they are long, and say so', () => {
    const newest = newestLines(10_000);
    for (let number = 0; number < 200; number += 1)
      newest.push({ text: `${'x'.repeat(64 * 1024)}${number}` });
    const texts = textsOf(newest);
    expect(texts.length).to.be.within(100, 130);
    expect(texts.at(-1)?.endsWith('x199')).to.equal(true);
    expect(newest.isCut()).to.equal(true);
  });
});

describe('output of a process', () => {
  let directory: string;
  let path: string;
  const all: PastWanted = { sinceMs: undefined, maxLines: 10, keep: () => true, isFiltered: false };
  const signal = new AbortController().signal;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lw-output-'));
    path = join(directory, 'output.log');
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('is read from behind, over its older file, and nothing that is not wanted', async () => {
    const output = processOutput(path, systemClock);
    expect((await output.past(all, signal)).lines).to.deep.equal([]);
    await writeFile(`${path}.1`, 'a\nb\n');
    await writeFile(path, 'c\nd\n');
    const textOf = async (wanted: Partial<PastWanted>): Promise<readonly string[]> =>
      (await output.past({ ...all, ...wanted }, signal)).lines.map(({ text }) => text);
    expect(await textOf({})).to.deep.equal(['a', 'b', 'c', 'd']);
    expect(await textOf({ maxLines: 2 })).to.deep.equal(['c', 'd']);
    expect(await textOf({ maxLines: 0 })).to.deep.equal([]);
    expect(await textOf({ keep: ({ text }) => text !== 'c' })).to.deep.equal(['a', 'b', 'd']);
    await writeFile(path, `2021-01-01 00:00:00,000 old\n${STRUCTURED}\nafter it\n`);
    const sinceMs = new Date(2021, 5, 1).getTime();
    expect(await textOf({ sinceMs })).to.deep.equal(['a', 'b', STRUCTURED, 'after it']);
  });

  it('is read further back while too little is found', async () => {
    const filler = `${'x'.repeat(1023)}\n`.repeat(2_000);
    await writeFile(path, `wanted\n${filler}`);
    const wanted = { ...all, isFiltered: true, keep: ({ text }: OutputLine) => text === 'wanted' };
    const { lines, isCut } = await processOutput(path, systemClock).past(wanted, signal);
    expect([lines, isCut]).to.deep.equal([[{ text: 'wanted' }], false]);
  });

  it('is followed while it grows, is cut, and is not there', async () => {
    const output = processOutput(path, systemClock);
    await writeFile(path, 'before\nhalf');
    await output.past({ ...all, maxLines: 0 }, signal);
    const stop = new AbortController();
    const lines: string[] = [];
    const done = output.follow(({ text }) => lines.push(text), stop.signal);
    const until = (text: string): Promise<unknown> =>
      eventually(
        async () => lines.at(-1),
        (last) => last === text,
        `${text} is read`,
      );
    await appendFile(path, ' of it\none\n');
    await until('one');
    await appendFile(path, 'two\n');
    await copyFile(path, `${path}.1`);
    await truncate(path, 0);
    await until('two');
    await appendFile(path, 'three\n');
    await until('three');
    await writeFile(`${path}.other`, 'four\n');
    await rename(`${path}.other`, path);
    await until('four');
    stop.abort();
    await done;
    expect(lines).to.deep.equal([' of it', 'one', 'two', 'three', 'four']);
  });
});

describe('a wish for lines', () => {
  const wish: LogsWish = {
    id: 'w',
    members: ['a', 'b', 'z'],
    lines: 10,
    follow: false,
    records: false,
  };
  const answersTo = async (
    wanted: LogsWish,
    outputs: Readonly<Record<string, readonly string[]>>,
    redact = (text: string): string => text.replaceAll('hush', '[hidden]'),
  ): Promise<readonly LogsRequest[]> => {
    const said: LogsRequest[] = [];
    const over = new AbortController();
    const stream: LogsStream = {
      ended: over.signal,
      send: async (message) => void said.push(message),
      finish: () => over.abort(),
      close: () => over.abort(),
    };
    const logs = createLogs({
      clock: systemClock,
      log: createLogger('test', 'silent'),
      open: () => stream,
      outputOf: (member) =>
        outputs[member] === undefined
          ? undefined
          : {
              past: async ({ keep }) => ({
                lines: outputs[member]?.map((text) => ({ text })).filter(keep) ?? [],
                isCut: false,
              }),
              follow: () => Promise.resolve(),
            },
      redact,
    });
    logs.wish(wanted);
    await eventually(
      async () => over.signal.aborted,
      (is) => is,
      'the answer ends',
    );
    await logs.stop();
    return said;
  };
  const structured = (second: number, message: string, level = 'INFO'): string =>
    JSON.stringify({
      message,
      logger: { name: 'l' },
      level,
      time: `2026-11-22 01:00:0${second},000`,
    });

  it('is answered in one order, without secrets, and says who is not here', async () => {
    const said = await answersTo(wish, {
      a: [structured(1, 'first'), '  below it hush', structured(3, 'hush third')],
      b: [structured(2, 'second')],
    });
    const lines = said.flatMap((one) => (one.kind === 'lines' ? one.lines : []));
    expect(lines.map(({ member, message }) => `${member} ${message}`)).to.deep.equal([
      'a first',
      'a   below it [hidden]',
      'b second',
      'a [hidden] third',
    ]);
    expect(JSON.stringify(said)).not.to.contain('hush');
    expect(lines[0]).not.to.have.property('record');
    expect(said.map(({ kind }) => kind)).to.deep.equal(['join', 'note', 'lines', 'caught-up']);
  });

  it('hides a value in a record also where JSON writes it in another way', async () => {
    const redact = (text: string): string => text.replaceAll('"hush"\\', '[hidden]');
    const line = structured(1, 'a "hush"\\ b');
    const said = await answersTo({ ...wish, records: true }, { a: [line], b: [] }, redact);
    expect(JSON.stringify(said)).not.to.contain('hush');
    const plain = await answersTo({ ...wish, records: true }, { a: [structured(1, 'x')], b: [] });
    expect(JSON.stringify(plain)).to.contain(JSON.stringify(structured(1, 'x')).slice(1, -1));
  });

  it('is told in messages that are no larger when its lines are long', async () => {
    const long = Array.from({ length: 9 }, (_, index) => `${index} ${'x'.repeat(60_000)}`);
    const said = await answersTo(wish, { a: long, b: [] });
    const sizes = said.map((message) => JSON.stringify(message).length);
    expect(Math.max(...sizes)).to.be.below(256 * 1024);
    const lines = said.flatMap((one) => (one.kind === 'lines' ? one.lines : []));
    expect(lines.map(({ message }) => message)).to.deep.equal(long);
  });

  it('leaves out what is below the level, with what is indented below it', async () => {
    const said = await answersTo(
      { ...wish, level: 'error', records: true },
      { a: [structured(1, 'x'), '  of x', structured(2, 'y', 'ERROR'), '  of y', 'Killed'], b: [] },
    );
    const lines = said.flatMap((one) => (one.kind === 'lines' ? one.lines : []));
    expect(lines.map(({ message }) => message)).to.deep.equal(['y', '  of y', 'Killed']);
    expect(lines[0]?.record).to.contain('"message":"y"');
  });
});

describe('lines of several hosts', () => {
  const line = (at: number, message = String(at)): LogLine => ({ member: 'm', at, message });
  const sourceWith = (host: string, state: Source['state'], ...times: number[]): Source => {
    const source = newSource(host, ['m'], 0);
    source.state = state;
    take(source, { kind: 'lines', lines: times.map((at) => line(at)) }, 1_000);
    return source;
  };
  const drain = (sources: readonly Source[], now: number): readonly string[] => {
    const told: string[] = [];
    for (let from = nextSource(sources, now); from !== undefined; from = nextSource(sources, now)) {
      const item = shift(from);
      if (item?.kind === 'line') told.push(item.line.message);
    }
    return told;
  };

  it('come in the order of their times, past and new', () => {
    const past = [sourceWith('a', 'past', 1, 4), sourceWith('b', 'past', 2, 3, 5)];
    expect(drain(past, 1_000)).to.deep.equal(['1', '2', '3', '4']); // more of a may be on its way
    for (const source of past) source.state = 'live';
    expect(drain(past, 1_399)).to.deep.equal([]);
    expect(drain(past, 1_400)).to.deep.equal(['5']);
  });

  it('wait for a host that is slow to begin, but not for ever', () => {
    const asked = newSource('b', ['m'], 0);
    asked.state = 'asked';
    asked.heardAt = 1_000;
    const sources = [sourceWith('a', 'live', 1), asked];
    expect(drain(sources, 10_999)).to.deep.equal([]);
    expect(drain(sources, 11_000)).to.deep.equal(['1']);
  });

  it('are put by the controller’s clock, and a gap stays where it was', () => {
    const ahead = newSource('b', ['m'], 10_000);
    ahead.state = 'over';
    take(ahead, { kind: 'lines', lines: [line(10_002, 'two')] }, 0);
    take(ahead, { kind: 'skipped', member: 'm', lines: 3 }, 0);
    const other = sourceWith('a', 'over', 1, 3);
    expect(drain([other, ahead], 2_000)).to.deep.equal(['1', 'two', '3']);
  });
});

describe('lines that come twice', () => {
  const line = (member: string, at: number, message: string): LogLine => ({ member, at, message });
  it('are left out up to the newest that was seen, and only where they come again', () => {
    const seen = createSeen();
    const news = (one: LogLine): boolean => seen.isNew(one);
    const first = [line('a', 1, 'x'), line('a', 2, 'y'), line('a', 2, 'y'), line('b', 1, 'z')];
    expect(first.map(news)).to.deep.equal([true, true, true, true]);
    expect(seen.newestAt()).to.equal(2);
    seen.again(['a']);
    const again = [line('a', 1, 'x'), line('a', 2, 'y'), line('a', 2, 'w'), line('b', 1, 'z')];
    expect(again.map(news)).to.deep.equal([false, false, true, true]);
    expect([line('a', 3, 'v'), line('a', 2, 'late')].map(news)).to.deep.equal([true, true]);
    expect(news({ member: 'a', message: 'no time' })).to.equal(true);
  });
});
