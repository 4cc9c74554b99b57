// leafward engine test: what the commands of a kind answer at a live member, before anything is deployed with them.
import { Option, type Command } from 'commander';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { ExecEngine } from '@leafward/shared/gen/domain.js';
import { parseKinds, type ParsedKinds } from '@leafward/shared/manifest/parse-kinds.js';
import { addCommand, required, type Tree } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { engineReport, renderEngine } from '../render/engine.js';
import type { Run } from '../run.js';

/** The agent gives all commands together five minutes. */
const TEST_DEADLINE_MS = 330_000;

type Described = ParsedKinds & { readonly ok: true };

export function addEngine(program: Command, tree: Tree): void {
  const engine = program
    .command('engine')
    .description('kinds of services that are described with commands: test');
  addCommand<{ member: string; kind?: string }>(engine, tree, {
    usage: 'test <file>',
    summary: "what the read-only commands of a kind answer at a member ('-': stdin)",
    options: [
      required(new Option('--member <member>', 'a running member of the fleet, of whatever kind')),
      new Option(
        '--kind <kind>',
        'which of the kinds in the file; default: its own, or the only one',
      ),
    ],
    more: `The file is a manifest, or holds nothing but its section \`kinds\`. Nothing is deployed and nothing is changed.
Ends with 1 when a command fails. How to write them: docs/engines/exec.md.`,
    async act(run, { member, kind }, file = '') {
      const described = describedIn(await run.context.readInput(file, run.context.signal), file);
      const name = kind ?? (await kindOf(run, member, described));
      const exec = execOf(name, described);
      const client = await run.client();
      const tested = await client.testEngine(
        { member, exec },
        { ...run.call, deadlineMs: TEST_DEADLINE_MS },
      );
      const report = engineReport({ ...tested, kind: name, exec });
      run.show(report, renderEngine);
      return report.failed === 0 ? EXIT.done : EXIT.failed;
    },
  });
}

/** @throws LeafwardError `invalid` with every problem. */
function describedIn(text: string, file: string): Described {
  const parsed = parseKinds(text);
  if (!parsed.ok)
    throw new LeafwardError('invalid', `${file} cannot be used`, {
      detail: parsed.problems.map(
        (p) =>
          `${p.line === undefined ? '' : `line ${p.line}: `}${p.path === '' ? '' : `${p.path}: `}${p.message}`,
      ),
    });
  if (Object.keys(parsed.kinds).length === 0)
    throw new LeafwardError('invalid', `${file} describes no kind: it has no section \`kinds\``);
  return parsed;
}

/** The one that the file, or else the fleet, says the member is of; or the only one. */
async function kindOf(run: Run, member: string, { kinds, manifest }: Described): Promise<string> {
  const declared = manifest?.services.find(({ members }) =>
    members.some(({ name }) => name === member),
  )?.kind;
  if (declared !== undefined && Object.hasOwn(kinds, declared)) return declared;
  const [only = '', ...more] = Object.keys(kinds);
  if (more.length === 0) return only;
  const { status } = await (await run.client()).getStatus({}, run.call);
  const deployed = status.services.find(({ members }) =>
    members.some((one) => one.member === member),
  )?.kind;
  if (deployed !== undefined && Object.hasOwn(kinds, deployed)) return deployed;
  throw new LeafwardError(
    'invalid',
    `which kind shall ${member} be tested with? Say --kind with one of: ${Object.keys(kinds).join(', ')}`,
  );
}

function execOf(name: string, { kinds }: Described): ExecEngine {
  const exec = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
  if (exec !== undefined) return exec;
  throw new LeafwardError(
    'invalid',
    `the file describes no kind ${name}; it describes ${Object.keys(kinds).join(', ')}`,
  );
}
