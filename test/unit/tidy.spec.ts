// The house's limits that a machine can check and the linter does not (CONTRIBUTING.md).
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const files = execFileSync('git', ['ls-files', '--', 'packages', 'test', 'scripts'], {
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => /\.(ts|mjs)$/.test(file) && !file.includes('/gen/'));
const linesOf = (file: string): readonly string[] => readFileSync(file, 'utf8').split('\n');

/** How many comment lines a file opens with, after the line that names its interpreter. */
function headerLines(file: string): number {
  const lines = linesOf(file);
  const from = lines[0]?.startsWith('#!') === true ? 1 : 0;
  const end = lines.findIndex((line, index) => index >= from && !line.startsWith('//'));
  return end - from;
}

describe('the house is tidy', () => {
  it('every file opens with one to four lines on what it owns', () => {
    const untold = files.filter((file) => headerLines(file) < 1 || headerLines(file) > 4);
    expect(untold).to.deep.equal([]);
  });

  it('files have kebab-case names', () => {
    const odd = files.filter((file) => !/\/[a-z0-9]+(-[a-z0-9]+)*(\.spec)?\.(ts|mjs)$/.test(file));
    expect(odd).to.deep.equal([]);
  });

  it('nothing is left for later without a word in the docs', () => {
    const later = new RegExp(
      ['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].map((word) => `\\b${word}\\b`).join('|'),
    );
    const found = files.filter((file) => linesOf(file).some((line) => later.test(line)));
    expect(found).to.deep.equal([]);
  });

  it('no test is switched off or narrowed', () => {
    const found = files
      .filter((file) => file.startsWith('test/'))
      .filter((file) =>
        linesOf(file).some((line) =>
          /\b(it|describe)\.(only|skip)\(|\bx(it|describe)\(/.test(line),
        ),
      );
    expect(found).to.deep.equal([]);
  });
});
