// Files that an agent reads at every look: never an old text, never another meaning than a real parser's.
import { mkdtemp, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { parse } from 'yaml';
import { readConfig } from '@leafward/agent/config.js';
import { readYamlKey, writeYamlKey } from '@leafward/agent/engines/synapse/durable-yaml.js';
import { readPlainYaml, withPlainYaml } from '@leafward/agent/engines/synapse/plain-yaml.js';
import { createTextCache } from '@leafward/agent/text-cache.js';

const directory = (): Promise<string> => mkdtemp(join(tmpdir(), 'leafward-files-'));

describe('texts that are read again and again', () => {
  let dir: string;
  let path: string;
  beforeEach(async () => {
    dir = await directory();
    path = join(dir, 'file');
  });
  afterEach(() => rm(dir, { recursive: true }));

  it('are the newest, however fast they change and however alike they are', async () => {
    const cache = createTextCache();
    for (let i = 0; i < 300; i += 1) {
      const text = String(i % 10);
      if (i % 3 === 0) await writeFile(path, text);
      else {
        await writeFile(`${path}.new`, text);
        await rename(`${path}.new`, path);
      }
      expect(await cache.read(path)).to.equal(text);
    }
  });

  it('are the newest though a writer hides its time', async () => {
    const cache = createTextCache();
    const long = new Date(0);
    for (const text of ['a', 'b', 'c']) {
      await writeFile(path, text);
      await utimes(path, long, long);
      expect(await cache.read(path)).to.equal(text);
    }
  });

  it('are gone with their file', async () => {
    const cache = createTextCache();
    await writeFile(path, 'a');
    await cache.read(path);
    await rm(path);
    const error = await cache.read(path).catch((caught: unknown) => caught);
    expect(error).to.include({ code: 'ENOENT' });
  });
});

describe('plain YAML', () => {
  const key = fc.oneof(
    fc.constantFrom('mirror', 'aha:name', 'a.b', 'null', 'a: b', '-', '', '# c', 'constructor'),
    fc.string({ maxLength: 4 }),
  );
  const value = fc.oneof(
    fc.constantFrom(
      'null',
      '~',
      'true',
      '1',
      '"x"',
      'aha://root:pw@00.cortex',
      'tcp://a:1/',
      'a://b:',
    ),
    fc.constantFrom(
      'ssl://a #b',
      'a://[b]',
      '|',
      '>',
      '&a a://b',
      '*a',
      '!!str a://b',
      'a://b\n  c',
    ),
    fc.webUrl({ withQueryParameters: true, withFragments: true }),
    fc.string({ maxLength: 6 }),
  );
  const lines = fc.array(fc.tuple(key, fc.constantFrom(': ', ':', ' : ', ':  '), value), {
    maxLength: 4,
  });
  const texts = lines.map((all) => all.map((parts) => `${parts.join('')}\n`).join(''));

  it('means what a parser says of it, or is left to the parser', () => {
    const parsed = (text: string): unknown => {
      try {
        return (parse(text) as unknown) ?? {};
      } catch (error) {
        return error;
      }
    };
    fc.assert(
      fc.property(texts, (text) => {
        const plain = readPlainYaml(text);
        if (plain !== undefined) expect(Object.fromEntries(plain)).to.deep.equal(parsed(text));
      }),
      { numRuns: 2000 },
    );
  });

  it('is written so that a parser reads what was meant', () => {
    const before = 'aha:name: a://b\nmirror: null\n';
    const after = withPlainYaml(before, 'mirror', 'aha://root:pw@01.cortex.loop.vertex.link') ?? '';
    expect(parse(after)).to.deep.equal({
      'aha:name': 'a://b',
      mirror: 'aha://root:pw@01.cortex.loop.vertex.link',
    });
    expect(withPlainYaml(before, 'mirror', 'a: b')).to.equal(undefined);
    expect(withPlainYaml('a: 1\n', 'mirror', null)).to.equal(undefined);
    expect(parse(withPlainYaml('', 'mirror', null) ?? '')).to.deep.equal({ mirror: null });
  });

  it('keeps the comments of a file that is not plain', async () => {
    const dir = await directory();
    const path = join(dir, 'cell.mods.yaml');
    await writeFile(path, '# by hand\nmirror: aha://a\nlimit: 5\n');
    await writeYamlKey(path, 'mirror', null);
    expect(await readFile(path, 'utf8')).to.equal('# by hand\nmirror: null\nlimit: 5\n');
    expect(await readYamlKey(path, 'mirror')).to.equal(null);
    expect(await readYamlKey(path, 'other')).to.equal(undefined);
    await rm(dir, { recursive: true });
  });
});

describe('agent.yaml', () => {
  let dir: string;
  beforeEach(async () => (dir = await directory()));
  afterEach(() => rm(dir, { recursive: true }));

  it('is filled in where it says nothing', async () => {
    const nothing = await readConfig(dir);
    expect(nothing).to.include({ logLevel: 'info', checkEverySeconds: 60, probeEverySeconds: 600 });
    await writeFile(join(dir, 'agent.yaml'), 'logLevel: warn\nroots: {proc: /elsewhere}\n');
    expect(await readConfig(dir)).to.deep.equal({
      ...nothing,
      logLevel: 'warn',
      roots: { proc: '/elsewhere', sys: '/sys', etc: '/etc' },
    });
  });

  it('is refused with every problem at once', async () => {
    const text = 'logLevel: loud\nother: 1\ncheckEverySeconds: 1\nroots: {proc: here, x: 1}\n';
    await writeFile(join(dir, 'agent.yaml'), text);
    const error = (await readConfig(dir).catch((caught: unknown) => caught)) as {
      readonly detail: readonly string[];
    };
    expect(error.detail.map((line) => line.split(':')[0])).to.have.members([
      'logLevel',
      'other',
      'checkEverySeconds',
      'roots.proc',
      'roots.x',
    ]);
  });
});
