// The kinds that are shipped are in their examples word for word: whoever copies either has the same.
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

const deploy = new URL('../../../deploy/', import.meta.url);
const kindsIn = (path: string): unknown =>
  (parse(readFileSync(new URL(path, deploy), 'utf8')) as { readonly kinds: unknown }).kinds;
/** The lines of the section, remarks included. */
const sectionOf = (path: string): readonly string[] => {
  const lines = readFileSync(new URL(path, deploy), 'utf8').split('\n');
  const begin = lines.indexOf('kinds:');
  const length = lines.slice(begin + 1).findIndex((line) => /^\S/.test(line));
  const section = length === -1 ? lines.slice(begin) : lines.slice(begin, begin + 1 + length);
  return section.join('\n').trimEnd().split('\n');
};

describe('the kinds that are shipped', () => {
  for (const [name, kind] of [
    ['postgresql', 'postgresql'],
    ['redis', 'redis'],
    ['matrix', 'postgresql'],
  ] as const)
    it(`are in the example ${name} as in the folder ${kind}`, () => {
      const [own, example] = [`engines/${kind}/kind.yaml`, `examples/${name}.yaml`];
      expect(Object.keys(kindsIn(own) as object)).to.deep.equal([kind]);
      expect(kindsIn(example)).to.deep.equal(kindsIn(own));
      expect(sectionOf(example)).to.deep.equal(sectionOf(own));
    });
});
