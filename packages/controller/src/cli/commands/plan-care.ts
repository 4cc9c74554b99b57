// leafward plan optimize, trim and migrate-020, and the ways in which a backup is taken. Nothing here changes the fleet.
import { Option, type Command } from 'commander';
import type { Goal } from '@leafward/shared/gen/domain.js';
import { addCommand, type Tree } from '../command.js';
import type { ExitCode } from '../exit-codes.js';
import type { Run } from '../run.js';

export interface BackupWay {
  readonly cold?: boolean;
  readonly snapshot?: boolean;
}

export const backupWayOptions = (): Option[] => [
  new Option(
    '--cold',
    'stop the member, back it up with its offline tool, start it again',
  ).conflicts('snapshot'),
  new Option('--snapshot', 'run backup.snapshot of the manifest while the member is frozen'),
];

type Show = (run: Run, goal: Goal) => Promise<ExitCode>;

export function addCare(plan: Command, tree: Tree, show: Show): void {
  addCommand(plan, tree, {
    usage: 'optimize <service>',
    summary: 'make its databases compact: mirrors, then another leader, then the old one',
    act: (run, _, service = '') => show(run, { kind: 'optimize', service }),
  });
  addCommand(plan, tree, {
    usage: 'trim <service>',
    summary: 'cut what every mirror has from the leader’s log',
    act: (run, _, service = '') => show(run, { kind: 'trim', service }),
  });
  addCommand<{ acceptErrors?: boolean; cutOver?: boolean }>(plan, tree, {
    usage: 'migrate-020 <service>',
    summary: 'from Synapse 0.1.x, by the tools that migrate020 of the manifest names',
    options: [
      new Option('--accept-errors', 'leave behind what the tool could not migrate'),
      new Option(
        '--cut-over',
        'once more what the source got since, after nobody writes to it any more',
      ).conflicts('acceptErrors'),
    ],
    act: (run, { acceptErrors, cutOver }, service = '') =>
      show(run, { kind: 'migrate', service, acceptErrors, cutOver }),
  });
}
