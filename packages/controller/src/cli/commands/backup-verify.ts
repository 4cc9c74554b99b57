// leafward backup verify: a backup is read again where it lies, and what was found is told. Ctrl-C ends the watching,
// not the reading.
import { Option, type Command } from 'commander';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Backup, VerifyBackupResponse } from '@leafward/shared/gen/domain.js';
import { parseSize } from '@leafward/shared/manifest/units.js';
import { addCommand, type Tree } from '../command.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { formatBytes, formatDuration } from '../render/units.js';
import type { Run } from '../run.js';

interface VerifyOptions {
  readonly service?: string;
  readonly rate?: string;
  readonly host?: string;
}

export function addBackupVerify(backup: Command, tree: Tree): void {
  addCommand<VerifyOptions>(backup, tree, {
    usage: 'verify <backup>',
    summary: 'read every file of a backup again and hold it against its manifest',
    options: [
      new Option('--service <service>', 'where several services have a backup of that name'),
      new Option('--host <host>', 'where it lies on several hosts (default: where its member is)'),
      new Option(
        '--rate <size>',
        'read at most so much in a second, as 50MiB; `max`: all that the disk gives (default: half of it)',
      ),
    ],
    more: 'Ends with 1 when a file is missing, changed, unreadable or too many. A damaged backup counts for no update.',
    act: (run, options, name = '') => verify(run, name, options),
  });
}

async function verify(run: Run, backup: string, options: VerifyOptions): Promise<ExitCode> {
  const { service, host: atHost } = options;
  const bytesPerSecond = rateOf(options.rate);
  const client = await run.client();
  let requestId: string | undefined;
  let told = '';
  for (;;) {
    const answer = await client.verifyBackup(
      { backup, service, bytesPerSecond, requestId, atHost },
      run.call,
    );
    requestId = answer.requestId;
    const { state, progress = '' } = answer.outcome;
    if (state !== 'running') return ended(run, answer);
    if (progress !== told && progress !== '' && run.format === 'table') run.remark(progress);
    told = progress;
  }
}

function ended(run: Run, { backup, outcome }: VerifyBackupResponse): ExitCode {
  if (outcome.state !== 'succeeded')
    throw new LeafwardError(
      outcome.state === 'refused' ? 'refused' : 'failed',
      `verify ${backup.name}: ${outcome.message ?? outcome.state}`,
    );
  run.show(backup, renderVerified);
  return backup.verification?.ok === true ? EXIT.done : EXIT.failed;
}

function renderVerified({ name, host, path, verification }: Backup): string {
  if (verification === undefined) return `${name}: nothing was found out`;
  const { ok, files, bytes, tookMs, problems } = verification;
  const what = `${formatBytes(bytes)} in ${files} files on ${host}:${path}, took ${formatDuration(tookMs)}`;
  return ok
    ? `${name} is what it was: ${what}`
    : [
        `${name} is damaged: ${what}`,
        ...problems.map((problem) => `  - ${problem}`),
        'Keep it until another one is proven: what is whole of it may still be wanted.',
      ].join('\n');
}

export function rateOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (text === 'max') return 0;
  const bytes = parseSize(text);
  if (bytes !== undefined && bytes > 0) return bytes;
  throw new LeafwardError('invalid', `--rate ${text}: a size such as 50MiB, or max`);
}
