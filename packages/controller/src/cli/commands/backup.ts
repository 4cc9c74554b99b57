// leafward backup: takes one (plan, apply and watch in one) and lists them; what else is done with backups is beside this.
import { Option, type Command } from 'commander';
import type { Backup, Plan } from '@leafward/shared/gen/domain.js';
import { addCommand, type Tree } from '../command.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { renderBackups } from '../render/lists.js';
import { isRefused, renderPlan } from '../render/plan.js';
import { formatBytes, formatDuration } from '../render/units.js';
import type { Run } from '../run.js';
import { applyPlan, watchOptions, type ApplyOptions } from './apply.js';
import { addBackupCopies } from './backup-copies.js';
import { addBackupDrill } from './backup-drill.js';
import { addBackupPrune } from './backup-prune.js';
import { addBackupSend } from './backup-send.js';
import { addBackupSchedule } from './backup-schedule.js';
import { addBackupVerify } from './backup-verify.js';
import { backupWayOptions, type BackupWay } from './plan-care.js';
import { makePlan } from './make-plan.js';

interface BackupOptions extends ApplyOptions, BackupWay {
  readonly member?: string;
}

export function addBackup(program: Command, tree: Tree): void {
  const backup = program
    .command('backup')
    .description('live backups: taken, proven, kept, sent and copied');
  addCommand<BackupOptions>(backup, tree, {
    usage: 'run <service>',
    summary: 'take a live backup now, of a caught-up mirror unless told otherwise',
    options: [
      new Option('--member <member>', 'from this member'),
      ...backupWayOptions(),
      ...watchOptions(),
    ],
    act: (run, options, service = '') => runBackup(run, service, options),
  });
  addCommand(backup, tree, {
    usage: 'list [service]',
    summary: 'complete backups, newest first',
    async act(run, _, service) {
      const client = await run.client();
      const { backups } = await client.listBackups({ service }, run.call);
      // A name that nobody knows must not look like a service without backups.
      if (service !== undefined && backups.length === 0)
        await client.getStatus({ service }, run.call);
      run.show(
        [...backups].sort((a, b) => b.finishedAt - a.finishedAt),
        renderBackups,
      );
    },
  });
  addBackupVerify(backup, tree);
  addBackupSchedule(backup, tree);
  addBackupSend(backup, tree);
  addBackupDrill(backup, tree);
  addBackupCopies(backup, tree);
  addBackupPrune(backup, tree);
}

async function runBackup(run: Run, service: string, options: BackupOptions): Promise<ExitCode> {
  const { member, cold, snapshot } = options;
  const plan = await makePlan(run, { kind: 'backup', service, member, name: '', cold, snapshot });
  if (isRefused(plan)) {
    run.show(plan, (data, style) => renderPlan(data, style));
    return EXIT.refused;
  }
  const { operation, code } = await applyPlan(run, plan, options);
  const backup = code === EXIT.done ? await findBackup(run, service, plan) : undefined;
  if (run.format !== 'table') run.show({ operation, backup }, () => '');
  else if (backup !== undefined) run.say(describeBackup(backup));
  return code;
}

async function findBackup(run: Run, service: string, plan: Plan): Promise<Backup | undefined> {
  const names = plan.moves.flatMap((move) =>
    move.kind === 'back-up' || move.kind === 'cold-back-up' ? [move.name] : [],
  );
  const { backups } = await (await run.client()).listBackups({ service }, run.call);
  return backups.find((backup) => names.includes(backup.name));
}

function describeBackup(backup: Backup): string {
  const took = formatDuration(backup.finishedAt - backup.startedAt);
  return `${backup.name}: ${formatBytes(backup.sizeBytes)} in ${backup.files} files on ${backup.host}:${backup.path}, took ${took}`;
}
