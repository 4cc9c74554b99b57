// The documents say what the code does: every code, role, check, alert and command line that they name is there,
// and none that the code has is missing. Compares text with the programs themselves; starts no fleet.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect } from 'chai';
import { CommanderError } from 'commander';
import ts from 'typescript';
import { parse } from 'yaml';
import { allChecks } from '@leafward/agent/checks/registry.js';
import type { CliContext } from '@leafward/controller/cli/context.js';
import { buildProgram } from '@leafward/controller/cli/main.js';
import { leastRole } from '@leafward/controller/operators/access.js';
import { systemClock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import { parseManifest } from '@leafward/shared/manifest/parse.js';

const root = resolve(import.meta.dirname, '../../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

// ---- waits and refusals ----------------------------------------------------------------------------------------

/** Codes that are put together at run time, by the text of the template: what they can become. */
const TEMPLATES: Readonly<Record<string, readonly string[]>> = {
  '`container-${container.state}`': ['container-paused', 'container-restarting'],
  '`${what}-changes`': ['host-changes', 'storage-changes', 'kind-changes', 'runtime-changes'],
  '`promotion-unclear-${number}`': [
    'promotion-unclear-1',
    'promotion-unclear-2',
    'promotion-unclear-3',
  ],
};

/** Every code of a wait or refusal: an object that says what would unblock it, and its code. */
function codesIn(folder: string): ReadonlyMap<string, string> {
  const codes = new Map<string, string>();
  for (const path of filesBelow(folder, '.ts')) {
    const source = ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest, true);
    const visit = (node: ts.Node): void => {
      if (ts.isObjectLiteralExpression(node))
        for (const code of codesOf(node, source, path)) codes.set(code, path);
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return codes;
}

function codesOf(
  object: ts.ObjectLiteralExpression,
  source: ts.SourceFile,
  path: string,
): readonly string[] {
  const named = (name: string): ts.ObjectLiteralElementLike | undefined =>
    object.properties.find((property) => property.name?.getText(source) === name);
  const code = named('code');
  if (code === undefined || named('unblock') === undefined) return [];
  if (ts.isPropertyAssignment(code)) return textsOf(code.initializer, source, path);
  if (ts.isShorthandPropertyAssignment(code)) return passedAs(code, source, path);
  throw new Error(`${path}: a code that this test cannot read: ${code.getText(source)}`);
}

function textsOf(value: ts.Expression, source: ts.SourceFile, path: string): readonly string[] {
  if (ts.isStringLiteralLike(value)) return [value.text];
  if (ts.isConditionalExpression(value))
    return [...textsOf(value.whenTrue, source, path), ...textsOf(value.whenFalse, source, path)];
  // Handed on from another wait or refusal, which is collected where it is made.
  if (ts.isPropertyAccessExpression(value) && value.name.text === 'code') return [];
  const known = TEMPLATES[value.getText(source)];
  if (known !== undefined) return known;
  throw new Error(`${path}: add what ${value.getText(source)} can become to TEMPLATES`);
}

/** `code` is a constant of the function around it, or a parameter: then what the calls in this file pass. */
function passedAs(
  code: ts.ShorthandPropertyAssignment,
  source: ts.SourceFile,
  path: string,
): readonly string[] {
  let at: ts.Node = code;
  while (!ts.isFunctionLike(at)) at = at.parent;
  const index = at.parameters.findIndex((parameter) => parameter.name.getText(source) === 'code');
  const owner = at.name ?? (ts.isVariableDeclaration(at.parent) ? at.parent.name : undefined);
  const texts: string[] = [];
  const visit = (node: ts.Node): void => {
    const isCall =
      ts.isCallExpression(node) && node.expression.getText(source) === owner?.getText(source);
    const passed = isCall ? node.arguments[index] : undefined;
    if (passed !== undefined) texts.push(...textsOf(passed, source, path));
    if (ts.isVariableDeclaration(node) && node.name.getText(source) === 'code' && index === -1)
      texts.push(...textsOf(node.initializer ?? code.name, source, path));
    ts.forEachChild(node, visit);
  };
  visit(index === -1 ? at : source);
  if (texts.length === 0)
    throw new Error(`${path}: nobody says which code ${code.parent.getText(source)} has`);
  return texts;
}

function filesBelow(folder: string, end: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(end))
    .map((name) => join(folder, name))
    .sort();
}

/** Headings that are nothing but codes. */
const CODES = /^`[a-z0-9-]+`(?:, `[a-z0-9-]+`)*$/;
const codeHeadings = (text: string): readonly string[] =>
  [...text.matchAll(/^#{3,4} (.+)$/gm)]
    .flatMap(([, heading = '']) => (CODES.test(heading) ? heading.split(', ') : []))
    .map((code) => code.replaceAll('`', ''));

describe('docs/operations.md', () => {
  const text = read('docs/operations.md');

  it('says what to do at every wait and refusal, and at no other', () => {
    const made = new Map([...codesIn('packages/controller/src'), ...codesIn('packages/agent/src')]);
    expect(made.size).to.be.greaterThan(50);
    const documented = codeHeadings(text);
    expect(new Set(documented).size, 'a code has two headings').to.equal(documented.length);
    const missing = [...made].filter(([code]) => !documented.includes(code));
    expect(
      missing.map(([code, path]) => `${code} of ${path}`),
      'no heading',
    ).to.deep.equal([]);
    const dead = documented.filter((code) => !made.has(code));
    expect(dead, 'documented, but nothing says it').to.deep.equal([]);
  });

  it('says of each what it means, what was seen, what to do and what never to do', () => {
    for (const section of text.split(/^#{2,4} /m).slice(1)) {
      const [heading = ''] = section.split('\n');
      if (!CODES.test(heading)) continue;
      for (const word of ['Means', 'Seen', 'Do', 'Never'])
        expect(section, `${heading} has no "${word}"`).to.include(`- **${word}:** `);
    }
  });

  it('has every check in its table, with the first of its sources', () => {
    const rows = tableRows(text, 'Check').map(([id = '', , source]) => [
      id.replaceAll('`', ''),
      source,
    ]);
    const wanted = allChecks.map(({ id, source }) => [id, source.split(/[;:] | \(/)[0]]);
    expect(rows).to.deep.equal(wanted);
  });

  it('has a part for every alert, and for no other', () => {
    const { groups } = parse(read('deploy/prometheus/leafward.rules.yaml')) as {
      readonly groups: readonly { readonly rules: readonly { readonly alert: string }[] }[];
    };
    const alerts = groups.flatMap((group) => group.rules.map(({ alert }) => alert));
    const headings = [...text.matchAll(/^### (Leafward\w+)$/gm)].map((match) => match[1]);
    expect(headings).to.have.members(alerts);
  });
});

/** Cells of the rows of the table whose first column has this title. */
function tableRows(text: string, title: string): readonly (readonly string[])[] {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => new RegExp(`^\\| ${title} +\\|`).test(line));
  expect(start, `a table that begins with ${title}`).to.be.greaterThan(-1);
  const length = lines.slice(start).findIndex((line) => !line.startsWith('|'));
  return lines.slice(start + 2, start + length).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

describe('docs/security.md', () => {
  it('says of every call which role it takes', () => {
    const rows = tableRows(read('docs/security.md'), 'Call').map(([method, role]) => [
      method?.replaceAll('`', ''),
      role,
    ]);
    expect(Object.fromEntries(rows)).to.deep.equal(leastRole);
  });
});

// ---- command lines ---------------------------------------------------------------------------------------------

interface CommandLine {
  readonly words: readonly string[];
  /** In running text a command may be named without its arguments. */
  readonly isMention: boolean;
  readonly where: string;
}

const PROGRAMS: Readonly<Record<string, string>> = {
  'packages/controller/dist/cli/bin.js': 'leafward',
  'packages/controller/dist/bin.js': 'leafward-controller',
  'packages/agent/dist/bin.js': 'leafward-agent',
};

const documents = [
  ...['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md'],
  ...filesBelow('docs', '.md'),
  ...filesBelow('deploy', '.md'),
];

function commandLines(path: string): readonly CommandLine[] {
  const found: CommandLine[] = [];
  const add = (text: string, isMention: boolean, where: string): void => {
    const words = programWords(shellWords(text));
    if (words !== undefined) found.push({ words, isMention, where: `${where}: ${text}` });
  };
  let fence: string | undefined;
  let pending = '';
  for (const [index, line] of read(path).split('\n').entries()) {
    const where = `${path}:${index + 1}`;
    const edge = /^\s*```(\w*)/.exec(line);
    if (edge !== null) {
      fence = fence === undefined ? edge[1] : undefined;
      continue;
    }
    if (fence === undefined) {
      for (const [, span = ''] of line.matchAll(/`([^`]+)`/g)) add(span, true, where);
      continue;
    }
    if (!['', 'sh', 'bash', 'console'].includes(fence)) continue;
    const prompt = /^\s*[$#] (.*)$/.exec(line)?.[1];
    // In a session what has no prompt is output.
    if (pending === '' && fence === 'console' && prompt === undefined) continue;
    pending += pending === '' ? (prompt ?? line).trim() : ` ${line.trim()}`;
    if (pending.endsWith('\\')) pending = pending.slice(0, -1).trim();
    else {
      for (const part of pending.split(/&&|\|\||[|;]/)) add(part.trim(), false, where);
      pending = '';
    }
  }
  return found;
}

/** Words as a shell makes them, without redirections, comments and variables; `'…'` and `"…"` are one word. */
function shellWords(text: string): readonly string[] {
  const words: string[] = [];
  for (const [, single, double, bare] of text.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)) {
    if (bare !== undefined && /^(#|>|2>)/.test(bare)) break;
    words.push(single ?? double ?? bare ?? '');
  }
  return words;
}

/** From the program's name on, whatever it is started with; undefined when it is another program. */
function programWords(words: readonly string[]): readonly string[] | undefined {
  const rest = words.slice(
    words[0] === 'runuser' ? words.indexOf('--') + 1 : Number(words[0] === 'sudo'),
  );
  const start = rest.findIndex((word) => !/^[A-Z_]+=/.test(word));
  const [first = '', second = ''] = rest.slice(start);
  if (/^leafward(-agent|-controller)?$/.test(first)) return rest.slice(start);
  const program = first === 'node' ? PROGRAMS[second] : undefined;
  return program === undefined ? undefined : [program, ...rest.slice(start + 2)];
}

const context: CliContext = {
  clock: systemClock,
  terminal: {
    write: () => undefined,
    writeError: () => undefined,
    interactive: false,
    size: () => undefined,
  },
  environment: {},
  connect: () => Promise.reject(new LeafwardError('unavailable', 'a document has no controller')),
  enroll: () => Promise.reject(new LeafwardError('unavailable', 'a document has no controller')),
  // What a document's file is called, not what is in it, is looked at here.
  readInput: (path) =>
    /(?:fleet|compose)\.yaml$/.test(path)
      ? Promise.reject(new LeafwardError('unavailable', 'a document has no files'))
      : Promise.resolve('kinds: { ledger: { commands: {} } }'),
  readSecret: () => Promise.resolve(''),
  confirm: () => Promise.resolve(false),
  signal: new AbortController().signal,
};

/** Codes of commander that a command without its arguments ends with. */
const INCOMPLETE = new Set([
  'commander.help',
  'commander.missingArgument',
  'commander.missingMandatoryOptionValue',
]);

/** What is wrong with a line of `leafward`; undefined when it would have reached the controller. */
async function complaint({ words, isMention }: CommandLine): Promise<string | undefined> {
  let code = 0;
  const program = buildProgram({ context, end: (ended) => (code = ended) });
  const args = words.slice(1).filter((word) => !(isMention && word === '…'));
  if (isMention && args.length === 0) return undefined;
  try {
    await program.parseAsync(args, { from: 'user' });
    return code === 2 && !isMention ? 'it ends with 2, bad usage' : undefined;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const isFine = error.exitCode === 0 || (isMention && INCOMPLETE.has(error.code));
    return isFine ? undefined : error.message;
  }
}

/** The other two programs act at once, so their lines are held against their own help. */
const helps = new Map<string, string>();
function helpOf(program: string, command: string): string {
  const key = `${program} ${command}`;
  const known = helps.get(key);
  if (known !== undefined) return known;
  const [script = ''] = Object.entries(PROGRAMS).find(([, name]) => name === program) ?? [];
  const args = [join(root, script), ...(command === '' ? [] : [command]), '--help'];
  const ran = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 20_000 });
  const text = ran.status === 0 ? ran.stdout : '';
  helps.set(key, text);
  return text;
}

function complaintOfHelp({ words, isMention }: CommandLine): string | undefined {
  const [program = '', command = '', ...rest] = words;
  if (command === '' || command.startsWith('-')) return undefined;
  if (!new RegExp(`^ {2}${command}\\b`, 'm').test(helpOf(program, '')))
    return `there is no command ${command}`;
  const help = helpOf(program, command);
  const given = new Set<string>();
  let positionals = 0;
  for (let at = 0; at < rest.length; at += 1) {
    const word = rest[at] ?? '';
    const option = new RegExp(`^ {2}(?:-\\w, )?${word}(?: <[^>]+>)?`, 'm').exec(help)?.[0];
    if (!word.startsWith('-')) positionals += 1;
    else if (option === undefined) return `it has no option ${word}`;
    else if (option.includes('<')) at += 1;
    given.add(word);
  }
  const wanted = /^Usage: .*$/m.exec(help)?.[0].match(/<\w+>/g)?.length ?? 0;
  const isRight = isMention ? positionals <= wanted : positionals === wanted;
  return isRight ? undefined : `it takes ${wanted} arguments, here are ${positionals}`;
}

describe('the command lines in the documents', () => {
  const lines = documents.flatMap(commandLines);
  const of = (name: string): readonly CommandLine[] =>
    lines.filter(({ words }) => words[0] === name);

  it('parse as leafward takes them', async () => {
    expect(of('leafward').length).to.be.greaterThan(50);
    const wrong: string[] = [];
    for (const line of of('leafward')) {
      const why = await complaint(line);
      if (why !== undefined) wrong.push(`${line.where}: ${why}`);
    }
    expect(wrong).to.deep.equal([]);
  });

  for (const program of ['leafward-agent', 'leafward-controller'])
    it(`are in the help of ${program}`, function () {
      this.timeout(60_000); // a child for each of its commands
      expect(of(program).length).to.be.greaterThan(2);
      const wrong = of(program).flatMap((line) => {
        const why = complaintOfHelp(line);
        return why === undefined ? [] : [`${line.where}: ${why}`];
      });
      expect(wrong).to.deep.equal([]);
    });
});

// ---- examples and links ----------------------------------------------------------------------------------------

describe('the annotated manifests', () => {
  for (const path of filesBelow('deploy/examples', '.yaml'))
    it(`${path} can be deployed`, () => {
      const parsed = parseManifest(read(path));
      expect(parsed.ok ? [] : parsed.problems).to.deep.equal([]);
    });
});

describe('the links in the documents', () => {
  const all = [...documents, ...filesBelow('test', '.md')];

  it('lead to files and headings that are there', () => {
    const broken = all.flatMap((path) =>
      linksIn(read(path)).flatMap((target) => {
        const [file = '', anchor = ''] = target.split('#');
        const found = file === '' ? path : relative(root, resolve(root, dirname(path), file));
        if (!existsSync(join(root, found))) return [`${path}: ${target}`];
        const isThere = anchor === '' || anchorsIn(read(found)).has(anchor);
        return isThere ? [] : [`${path}: ${target}`];
      }),
    );
    expect(broken).to.deep.equal([]);
  });
});

const withoutCode = (text: string): string =>
  text.replaceAll(/^\s*```[\s\S]*?^\s*```$/gm, '').replaceAll(/`[^`\n]*`/g, '');

function linksIn(text: string): readonly string[] {
  return [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1] ?? '')
    .filter((target) => !/^[a-z]+:/.test(target));
}

/** As GitHub makes them of headings: letters, digits, hyphens; the second of one name ends in -1. */
function anchorsIn(text: string): ReadonlySet<string> {
  const counts = new Map<string, number>();
  const anchors = new Set<string>();
  for (const [, heading = ''] of text
    .replaceAll(/^\s*```[\s\S]*?^\s*```$/gm, '')
    .matchAll(/^#{1,6} +(.+)$/gm)) {
    const slug = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-');
    const count = counts.get(slug) ?? 0;
    counts.set(slug, count + 1);
    anchors.add(count === 0 ? slug : `${slug}-${count}`);
  }
  return anchors;
}
