// Which variables of a cell are secrets, and what they are called at the controller. Pure.
import { PLACEHOLDER } from '@leafward/shared/manifest/templates.js';

const SECRET_NAME = /PASSW(?:OR)?D|SECRET|TOKEN|API_?KEY|PRIVATE|CREDENTIAL|_KEY$/;
/** A user with a password in a URL, or a one-time URL of AHA. */
const SECRET_VALUE =
  /:\/\/[^\s/@:]+:[^\s/@]+@|:27272\/[0-9a-f]{32}|\/[0-9a-f]{32}(?:\?certhash=|$)/;

/** Rather one too many: a secret in a file is one that leaks. What only looks like a template cannot stand in one. */
export const isSecret = (name: string, value: string): boolean =>
  SECRET_NAME.test(name) || SECRET_VALUE.test(value) || value.search(PLACEHOLDER) !== -1;

/** A word that is a secret by itself, or that follows the option of one. */
export const isSecretWord = (words: readonly string[], index: number): boolean => {
  const [word = '', before = ''] = [words[index], words[index - 1]];
  const [, named, value] = /^--?([\w-]+)=(.+)$/.exec(word) ?? [];
  if (named !== undefined && value !== undefined) return isSecret(nameOf(named), value);
  return isSecret(/^--?[\w-]+$/.test(before) ? nameOf(before) : '', word);
};

const nameOf = (option: string): string =>
  option.toUpperCase().replaceAll(/^-+/g, '').replaceAll('-', '_');

export const isProvisionUrl = (name: string): boolean => name.endsWith('_AHA_PROVISION');

/** As the controller takes them: at most 63 of lower-case letters, digits, `-` and `.`. */
export function secretName(member: string, variable: string): string {
  const short = variable
    .replace(/^SYN_/, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-');
  return `${member}-${short}`.slice(0, 63).replace(/[^a-z0-9]+$/, '');
}
