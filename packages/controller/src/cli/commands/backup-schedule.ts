// leafward backup schedule: who backs up when, and how it went. Reads only.
import type { Command } from 'commander';
import { addCommand, type Tree } from '../command.js';
import { renderSchedule } from '../render/schedule.js';

export function addBackupSchedule(backup: Command, tree: Tree): void {
  addCommand(backup, tree, {
    usage: 'schedule [service]',
    summary: 'who is backed up when by its agent, and how it went',
    more: 'Of a service the first member that is well is backed up; each next one only when that stays away.',
    async act(run, _, service) {
      const client = await run.client();
      const { status } = await client.getStatus({ service }, run.call);
      const duties = status.services.flatMap((view) => view.duties?.duties ?? []);
      run.show(duties, renderSchedule, status.now);
    },
  });
}
