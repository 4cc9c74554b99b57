// leafward export: what a manifest means for those who run without Leafward. Needs no controller; writes nothing but the
// directory that it is told to. Secrets are named and never known here (I14).
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import { parseManifest } from '@leafward/shared/manifest/parse.js';
import type { Manifest } from '@leafward/shared/manifest/types.js';
import { exportCompose } from '../../export/compose.js';
import type { Exported } from '../../export/exported.js';
import { exportKubernetes } from '../../export/kubernetes.js';
import { addCommand, type Tree } from '../command.js';
import type { Run } from '../run.js';

interface ExportFlags {
  readonly host?: string;
  readonly to?: string;
}

export function addExport(program: Command, tree: Tree): void {
  const group = program
    .command('export')
    .description('what a manifest means for those who run without Leafward');
  const common = [
    new Option('--host <name>', 'only what runs on this host'),
    new Option('--to <directory>', 'write the files there instead of printing them'),
  ];
  addCommand<ExportFlags>(group, tree, {
    usage: 'compose <manifest>',
    summary: 'a compose file for each host, as the deployment guide has them',
    options: common,
    act: async (run, { host, to }, file = '') =>
      give(run, exportCompose(await manifestIn(run, file), host), to),
  });
  addCommand<ExportFlags & { readonly storageSize: string }>(group, tree, {
    usage: 'kubernetes <manifest>',
    summary: 'StatefulSets, claims and Services, with the devops guide’s probes',
    options: [
      ...common,
      new Option('--storage-size <quantity>', 'of each claim').default('100Gi').argParser(quantity),
    ],
    act: async (run, { host, to, storageSize }, file = '') =>
      give(run, exportKubernetes(await manifestIn(run, file), { host, storageSize }), to),
  });
}

function quantity(text: string): string {
  if (/^[1-9]\d*(?:[KMGTPE]i?)?$/.test(text)) return text;
  throw new InvalidArgumentError('It must be a quantity such as 100Gi.');
}

/** @throws LeafwardError `invalid` with every problem and its line. */
async function manifestIn({ context }: Run, file: string): Promise<Manifest> {
  const parsed = parseManifest(await context.readInput(file, context.signal));
  if (parsed.ok) return parsed.manifest;
  throw new LeafwardError('invalid', `export ${file}: the manifest cannot be used`, {
    detail: parsed.problems.map(
      ({ path, line, message }) =>
        `${file}${line === undefined ? '' : `:${line}`}: ${path}: ${message}`,
    ),
  });
}

async function give(run: Run, exported: Exported, to: string | undefined): Promise<void> {
  const { files, notes } = exported;
  if (to !== undefined) await writeFiles(files, to);
  if (run.format !== 'table') return run.show(exported, () => '');
  if (to === undefined) run.context.terminal.write(files.map(printed).join('---\n'));
  else for (const { path } of files) run.say(join(to, path));
  for (const note of notes) run.remark(`note: ${note}`);
}

/** A script among YAML documents stands in a comment: --to writes it as a file. */
function printed({ path, text, isExecutable }: Exported['files'][number]): string {
  if (isExecutable !== true) return text;
  return `# ${path}\n${text.replaceAll(/^/gm, '# ').replace(/# $/, '')}`;
}

async function writeFiles(files: Exported['files'], to: string): Promise<void> {
  for (const { path, text, isExecutable } of files) {
    const target = join(to, path);
    try {
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, text, { mode: isExecutable === true ? 0o755 : 0o644 });
    } catch (error) {
      throw new LeafwardError('failed', `write ${target}: ${messageOf(error)}`);
    }
  }
}
