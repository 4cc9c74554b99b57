// leafward import: makes a manifest of what runs on this machine without Leafward. Needs no controller; changes nothing
// but the file that it is told to write. Never prints a secret's value (I14).
import { readFileSync, statSync } from 'node:fs';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { ReadCompose } from '../../compose/compose-file.js';
import { STORAGE_FILES, type StorageFiles } from '../../compose/find-cell.js';
import { importCompose, twiceNamed, type Imported } from '../../compose/import-compose.js';
import { directoryOf, readCompose } from '../../compose/read-compose.js';
import { addCommand, type Tree } from '../command.js';
import { containersHere } from '../containers-here.js';
import type { Run } from '../run.js';

interface ImportFlags {
  readonly host?: string;
  readonly fleet?: string;
  readonly into?: string;
  readonly dockerSocket: string;
}

/** cell.yaml has some lines; what is longer is none. */
const MAX_FILE_BYTES = 2 ** 20;

export function addImport(program: Command, tree: Tree): void {
  const group = program
    .command('import')
    .description('make a manifest of what runs without Leafward; needs no controller');
  addCommand<ImportFlags>(group, tree, {
    usage: 'compose [files...]',
    summary: "a manifest of the Synapse cells in compose files of this machine ('-': stdin)",
    options: [
      new Option('--host <name>', 'this machine, as it is enrolled (default: its own name)'),
      new Option('--fleet <name>', 'the controller’s fleet (default: synapse)'),
      new Option(
        '--into <file>',
        'merge them into this manifest and write it; made if it is not there',
      ),
      new Option('--docker-socket <path>', 'Engine that is asked for their containers').default(
        '/var/run/docker.sock',
      ),
    ],
    more: 'Run it on each host, where the files are:\n  leafward import compose --host alpha --into fleet.yaml /srv/syn/*/docker-compose.yaml',
    act: async (run, flags, ...args) => {
      const files = (args as readonly unknown[]).flat().filter((one) => typeof one === 'string');
      const imported = await importFrom(run, files, flags);
      const { into } = flags;
      if (into !== undefined) await writeWhole(into, imported.manifest);
      if (run.format !== 'table') return run.show(imported, () => '');
      tell(run, imported, into);
    },
  });
}

/** @throws LeafwardError `invalid` with every problem, its file and its line. */
async function importFrom(
  run: Run,
  files: readonly string[],
  { host = ownName(), fleet = 'synapse', into, dockerSocket }: ImportFlags,
): Promise<Imported> {
  if (files.length === 0)
    throw new LeafwardError('invalid', 'import compose: name at least one file, or - for stdin');
  const { context } = run;
  const read: ReadCompose[] = [];
  for (const file of files)
    read.push(
      readCompose({
        file,
        text: await context.readInput(file, context.signal),
        directory: directoryOf(file, process.cwd()),
        variables: context.environment,
        readFile: textOf,
      }),
    );
  const problems = [...read.flatMap((one) => one.problems), ...twiceNamed(read)];
  if (problems.length > 0)
    throw new LeafwardError('invalid', `import compose: ${problems.length} problems`, {
      detail: problems.map(
        ({ file, line, message }) => `${file}${line === undefined ? '' : `:${line}`}: ${message}`,
      ),
    });
  const containerAt = await containersHere(resolve(dockerSocket), context.signal);
  const before = into === undefined ? undefined : await textThere(into);
  return importCompose(read, { fleet, host, into: before, filesOf, containerAt });
}

const ownName = (): string =>
  (hostname().split('.')[0] ?? '').toLowerCase().replaceAll(/[^a-z0-9-]/g, '') || 'host';

function textOf(path: string): string | undefined {
  try {
    if (statSync(path).size > MAX_FILE_BYTES) return undefined;
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function filesOf(storage: string): StorageFiles {
  let isReadable = false;
  try {
    isReadable = statSync(storage).isDirectory();
  } catch {
    // Said in the manifest.
  }
  const texts = Object.fromEntries(
    STORAGE_FILES.flatMap((name) => {
      const text = textOf(join(storage, name));
      return text === undefined ? [] : [[name, text]];
    }),
  );
  return { isReadable, texts };
}

async function textThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new LeafwardError('invalid', `read ${path}: ${messageOf(error)}`);
  }
}

/** In one piece: an interrupted run leaves the manifest as it was. */
async function writeWhole(path: string, text: string): Promise<void> {
  const half = `${path}.new`;
  try {
    await rm(half, { force: true });
    const file = await open(half, 'wx', 0o644);
    try {
      await file.writeFile(text);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(half, path);
  } catch (error) {
    throw new LeafwardError('failed', `write ${path}: ${messageOf(error)}`);
  }
}

/** The manifest alone on stdout, so that it can be sent into a file. */
function tell(run: Run, imported: Imported, into: string | undefined): void {
  const { manifest, members, secrets, notes, problems } = imported;
  if (into === undefined) run.context.terminal.write(manifest);
  run.remark(
    `${members.length === 0 ? 'no Synapse cell was found' : `found ${members.join(', ')}`}${into === undefined ? '' : `; written into ${into}`}`,
  );
  for (const note of notes) run.remark(`note: ${note}`);
  if (secrets.length > 0) {
    run.remark('secrets: each asks for its value, which is in');
    for (const { name, variable, file, line } of secrets)
      run.remark(
        `  leafward secret set ${name}   # ${variable} in ${file}${line === undefined ? '' : `, line ${line}`}`,
      );
  }
  if (problems.length > 0) {
    run.remark('the manifest cannot be deployed yet:');
    for (const { path, line, message } of problems)
      run.remark(`  ${line === undefined ? '' : `line ${line}: `}${path}: ${message}`);
    run.remark('  members of other hosts come by: leafward import compose --into FILE, there');
  } else if (members.length > 0)
    run.remark(`next: look at it, then leafward plan deploy ${into ?? 'FILE'}`);
}
