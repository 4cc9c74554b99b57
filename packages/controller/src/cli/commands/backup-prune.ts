// leafward backup prune, prune-copies: which backups of a service, or copies of them, the rules let go, host by host, and
// their removal once somebody said yes. Ctrl-C ends the watching, not what a host has begun.
import { Option, type Command } from 'commander';
import { freedBytes } from '@leafward/shared/retention.js';
import { addCommand, type Tree } from '../command.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { renderVerdicts, type HostVerdicts } from '../render/verdicts.js';
import { formatBytes } from '../render/units.js';
import type { Run } from '../run.js';
import { actOnBackup } from './backup-act.js';

interface PruneOptions {
  readonly host?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

export function addBackupPrune(backup: Command, tree: Tree): void {
  addCommand<PruneOptions>(backup, tree, {
    usage: 'prune <service>',
    summary:
      'take away the backups that the rules of keep let go, and say of each why it stays or goes',
    options: [
      new Option('--host <host>', 'only those that lie there (default: each host, one by one)'),
      new Option('--dry-run', 'only say what would go'),
      new Option('-y, --yes', 'do not ask'),
    ],
    more: 'Agents do the same by themselves after each backup. The newest and the last proven one always stay.',
    act: (run, options, service = '') => prune(run, { service, kind: 'prune' }, options),
  });
  addCommand<PruneOptions>(backup, tree, {
    usage: 'prune-copies <service>',
    summary:
      'take out of the repository the copies that its rules let go, and say of each why it stays or goes',
    options: [
      new Option('--host <host>', 'only copies of its backups (default: each host, one by one)'),
      new Option('--dry-run', 'only say what would go'),
      new Option('-y, --yes', 'do not ask'),
    ],
    more: 'Agents do the same by themselves once a day. The newest and the last proven one always stay.',
    act: (run, options, service = '') => prune(run, { service, kind: 'prune-copies' }, options),
  });
}

interface Pruning {
  readonly service: string;
  readonly kind: 'prune' | 'prune-copies';
}

const WORDS = { prune: 'backups', 'prune-copies': 'copies' } as const;

async function prune(run: Run, pruning: Pruning, options: PruneOptions): Promise<ExitCode> {
  const { service, kind } = pruning;
  const hosts = await hostsOf(run, pruning, options.host);
  const before = await judge(run, { ...pruning, hosts, dryRun: true });
  const goes = before.flatMap(({ verdicts }) => verdicts.filter(({ keeps }) => !keeps));
  if (options.dryRun === true || goes.length === 0) {
    run.show(before, renderVerdicts);
    return EXIT.done;
  }
  if (run.format === 'table') run.show(before, renderVerdicts);
  const question = `Remove ${goes.length} ${WORDS[kind]} of ${service}, ${formatBytes(freedBytes(goes))}?`;
  if (!(await run.confirm(question, options.yes === true))) return EXIT.refused;
  const after = await judge(run, { ...pruning, hosts: hostsThatLose(before), dryRun: false });
  if (run.format !== 'table') run.show(after, renderVerdicts);
  return ended(run, after);
}

const hostsThatLose = (all: readonly HostVerdicts[]): readonly string[] =>
  all.filter(({ verdicts }) => verdicts.some(({ keeps }) => !keeps)).map(({ host }) => host);

function ended(run: Run, after: readonly HostVerdicts[]): ExitCode {
  for (const { host, said } of after) run.say(`${host}: ${said}`);
  const failed = after.flatMap(({ verdicts }) =>
    verdicts.filter(({ keeps, reason }) => keeps && reason.startsWith('it could not be removed')),
  );
  for (const { name, reason } of failed) run.remark(`${name}: ${reason}`);
  return failed.length > 0 ? EXIT.failed : EXIT.done;
}

/** Where backups of it lie, or whose copies there may be. A service that nobody knows is an error, one without is none. */
async function hostsOf(
  run: Run,
  { service, kind }: Pruning,
  host: string | undefined,
): Promise<readonly string[]> {
  if (host !== undefined) return [host];
  const client = await run.client();
  const { backups } = await client.listBackups({ service }, run.call);
  const lie = backups.map((one) => one.host);
  if (kind === 'prune' && backups.length > 0) return [...new Set(lie)].sort();
  const { status } = await client.getStatus({ service }, run.call);
  const members = status.services.flatMap((one) => one.members);
  return kind === 'prune' ? [] : [...new Set(members.map((one) => one.host))].sort();
}

interface Question extends Pruning {
  readonly hosts: readonly string[];
  readonly dryRun: boolean;
}

async function judge(
  run: Run,
  { service, kind, hosts, dryRun }: Question,
): Promise<readonly HostVerdicts[]> {
  const found: HostVerdicts[] = [];
  for (const host of hosts) {
    const request = { kind, backup: '', service, host, dryRun } as const;
    const { outcome } = await actOnBackup(run, request);
    const { verdicts = { verdicts: [] }, message = '' } = outcome;
    found.push({ host, said: message, verdicts: verdicts.verdicts });
  }
  return found;
}
