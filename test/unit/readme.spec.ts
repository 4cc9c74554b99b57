// The README's own promises: its npm commands are scripts, its manifest can be deployed, its options are the demo's.
// Command lines of leafward and links are held to the code by docs.spec.ts, of the README too.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { parseManifest } from '@leafward/shared/manifest/parse.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly scripts: Readonly<Record<string, string>>;
};
const blocks = (language: string): readonly string[] =>
  [...readme.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
    .filter(([, found]) => found === language)
    .map(([, , text = '']) => text);

describe('README.md', () => {
  it('names npm scripts that exist, the demo and the tests among them', () => {
    const named = [...readme.matchAll(/\bnpm (?:run (?:-s )?([\w:]+)|(test))\b/g)].map(
      ([, script, test]) => script ?? test ?? '',
    );
    expect(named).to.include.members(['demo', 'test']);
    expect(named.filter((name) => scripts[name] === undefined)).to.deep.equal([]);
  });

  it('opens its first session with the demo, whose script is there', () => {
    expect(blocks('console')[0]).to.match(/^\$ npm run demo\n/);
    const [script = ''] = /test\/build\/\S+/.exec(scripts['demo'] ?? '') ?? [];
    expect(existsSync(join(root, script)), script).to.equal(true);
  });

  it('names the options that the demo has', () => {
    const script = join(root, 'test/build/demo/main.js');
    const { status, stdout } = spawnSync(process.execPath, [script, '--help'], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect(status).to.equal(0);
    for (const option of ['--keep', '--report']) {
      expect(readme).to.include(option);
      expect(stdout).to.include(option);
    }
  });

  it('names suites that node scripts/test.mjs has', () => {
    const runner = readFileSync(join(root, 'scripts/test.mjs'), 'utf8');
    const [, named = ''] = /node scripts\/test\.mjs ([a-z ]+)/.exec(readme) ?? [];
    for (const suite of named.trim().split(' ')) expect(runner).to.include(`name: '${suite}'`);
  });

  it('shows a manifest that can be deployed', () => {
    const [manifest = ''] = blocks('yaml');
    const parsed = parseManifest(manifest);
    expect(parsed.ok ? [] : parsed.problems).to.deep.equal([]);
  });

  it('has no line longer than 120 columns', () => {
    const isText = (line: string): boolean => !line.startsWith('|');
    const long = readme.split('\n').filter((line) => isText(line) && [...line].length > 120);
    expect(long).to.deep.equal([]);
  });
});
