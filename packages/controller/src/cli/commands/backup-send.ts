// leafward backup send: a backup goes from its host to another one of its service, through the controller.
import { Option, type Command } from 'commander';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Backup } from '@leafward/shared/gen/domain.js';
import { addCommand, type Tree } from '../command.js';
import { formatBytes } from '../render/units.js';
import { rateOf } from './backup-verify.js';
import { actOnBackup } from './backup-act.js';

interface SendOptions {
  readonly to?: string;
  readonly service?: string;
  readonly rate?: string;
}

export function addBackupSend(backup: Command, tree: Tree): void {
  addCommand<SendOptions>(backup, tree, {
    usage: 'send <backup>',
    summary: 'bring a backup to another host of its service, so that it can be restored there',
    options: [
      new Option('--to <host>', 'host that gets it').makeOptionMandatory(),
      new Option('--service <service>', 'where several services have a backup of that name'),
      new Option(
        '--rate <size>',
        'send at most so much in a second, as 50MiB; `max`: all that the disk gives (default: half of it)',
      ),
    ],
    more: 'It is read again where it arrives before it counts. A line that breaks is taken up where it broke.',
    act: async (run, { to = '', service, rate }, name = '') => {
      const bytesPerSecond = rateOf(rate);
      const answer = await actOnBackup(run, {
        kind: 'send',
        backup: name,
        service,
        host: to,
        bytesPerSecond,
      });
      if (answer.backup === undefined)
        throw new LeafwardError('failed', `send ${name}: nothing was told of it`);
      run.show(answer.backup, renderArrived);
    },
  });
}

function renderArrived({ name, host, path, sizeBytes, files }: Backup): string {
  return `${name} lies on ${host}:${path} as well: ${formatBytes(sizeBytes)} in ${files} files, each read again there`;
}
