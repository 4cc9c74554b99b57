// leafward backup copy, copies, check-copies, fetch: backups off their hosts. Ctrl-C ends the watching, not the work.
import { Option, type Command } from 'commander';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { ActOnBackupResponse, Backup } from '@leafward/shared/gen/domain.js';
import { addCommand, type Tree } from '../command.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { renderCopies } from '../render/copies.js';
import { formatBytes, formatDuration } from '../render/units.js';
import type { Run } from '../run.js';
import { actOnBackup } from './backup-act.js';

interface Options {
  readonly service?: string;
  readonly host?: string;
  readonly data?: string;
}

const ofService = (text: string): Option => new Option('--service <service>', text);

export function addBackupCopies(backup: Command, tree: Tree): void {
  addCommand<Options>(backup, tree, {
    usage: 'copy <backup>',
    summary: 'copy a backup to the repository of its service off the host, unless it lies there',
    options: [ofService('where several services have a backup of that name')],
    act: (run, { service }, name = '') => copy(run, name, service),
  });
  addCommand<Options>(backup, tree, {
    usage: 'copies <service>',
    summary: 'what lies in the repository of a service, whatever became of the backups themselves',
    options: [new Option('--host <host>', 'have this host ask the repository')],
    act: (run, { host }, service = '') => list(run, service, host),
  });
  addCommand<Options>(backup, tree, {
    usage: 'check-copies <service>',
    summary: 'have restic read the repository of a service again, from each host that has copies',
    options: [
      new Option('--data <percent>', 'read so much of the data as well, as 5% or 100%').default(
        '5%',
      ),
      new Option('--host <host>', 'from this host only'),
    ],
    more: 'Ends with 1 when the repository is damaged or could not be checked. With --data 0% only what lists the data is read, which proves no copy.',
    act: (run, options, service = '') => check(run, service, options),
  });
  addCommand<Options>(backup, tree, {
    usage: 'fetch <backup>',
    summary: 'bring a copy back from the repository, so that it can be drilled and restored',
    options: [
      ofService('whose it is: needed for one that no host has any more'),
      new Option('--host <host>', 'to this host of its service (default: where it was taken)'),
    ],
    more: 'A backup by its name, or by the snapshot that `leafward backup copies` shows. It is read again before it counts.',
    act: (run, options, name = '') => fetch(run, name, options),
  });
}

async function copy(run: Run, name: string, service: string | undefined): Promise<ExitCode> {
  const answer = await actOnBackup(run, { kind: 'copy', backup: name, service });
  run.show(backupOf(answer, `copy ${name}`), renderCopied);
  return EXIT.done;
}

function renderCopied({ name, host, copies }: Backup): string {
  const [made] = copies?.copies ?? [];
  if (made === undefined) return `${name}: nothing was told of its copy`;
  const { repository, snapshot, addedBytes, tookMs } = made;
  // Found there by an agent that had not made it, or could not note it.
  const cost =
    tookMs === 0 ? '' : `: ${formatBytes(addedBytes)} more there, took ${formatDuration(tookMs)}`;
  return `${name} of host ${host} lies in ${repository} as ${snapshot.slice(0, 8)}${cost}`;
}

async function list(run: Run, service: string, host: string | undefined): Promise<ExitCode> {
  const answer = await actOnBackup(run, { kind: 'list-copies', backup: '', service, host });
  const copies = answer.outcome.copies?.backups ?? [];
  const { backups } = await (await run.client()).listBackups({ service }, run.call);
  run.show(copies, (data, style) => renderCopies(data, backups, style));
  return EXIT.done;
}

interface Checked {
  readonly host: string | undefined;
  readonly ok: boolean;
  readonly found: string;
}

async function check(run: Run, service: string, { data, host }: Options): Promise<ExitCode> {
  const dataPercent = percentOf(data);
  const hosts = host === undefined ? await hostsWithCopies(run, service) : [host];
  const found: Checked[] = [];
  for (const one of hosts)
    try {
      const request = { kind: 'check', backup: '', service, dataPercent, host: one } as const;
      const { outcome } = await actOnBackup(run, request);
      found.push({ host: one, ok: true, found: outcome.message ?? 'nothing wrong found' });
    } catch (error) {
      // The others are asked all the same: one host's way there may be broken.
      if (hosts.length === 1) throw error;
      found.push({ host: one, ok: false, found: messageOf(error) });
    }
  run.show(found, (all) =>
    all.map((one) => `${one.host === undefined ? '' : `${one.host}: `}${one.found}`).join('\n'),
  );
  return found.every(({ ok }) => ok) ? EXIT.done : EXIT.failed;
}

/** Undefined: no host has any, and the first one of the service asks. */
async function hostsWithCopies(
  run: Run,
  service: string,
): Promise<readonly (string | undefined)[]> {
  const { backups } = await (await run.client()).listBackups({ service }, run.call);
  const copied = backups.filter(({ copies }) => (copies?.copies.length ?? 0) > 0);
  const hosts = [...new Set(copied.map(({ host }) => host))].sort();
  return hosts.length === 0 ? [undefined] : hosts;
}

async function fetch(run: Run, name: string, { service, host }: Options): Promise<ExitCode> {
  const answer = await actOnBackup(run, { kind: 'fetch', backup: name, service, host });
  run.show(backupOf(answer, `fetch ${name}`), renderFetched);
  return EXIT.done;
}

function renderFetched({ name, host, path, sizeBytes, files, verification }: Backup): string {
  const what = `${formatBytes(sizeBytes)} in ${files} files`;
  const read = verification?.ok === true ? ', read again and found whole' : '';
  return `${name} lies on ${host}:${path}: ${what}${read}`;
}

function backupOf({ backup }: ActOnBackupResponse, what: string): Backup {
  if (backup !== undefined) return backup;
  throw new LeafwardError('failed', `${what}: its host does not say what came of it`);
}

function percentOf(text = '5%'): number {
  const percent = /^(\d{1,3})%?$/.exec(text)?.[1];
  if (percent !== undefined && Number(percent) <= 100) return Number(percent);
  throw new LeafwardError('invalid', `--data ${text}: whole hundredths, as 5% or 100%`);
}
