// leafward backup drill: a copy of a backup is booted without any network and asked, and what was compared is told.
// Ctrl-C ends the watching, not the drill.
import { Option, type Command } from 'commander';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Backup, Drill } from '@leafward/shared/gen/domain.js';
import { addCommand, durationOption, type Tree } from '../command.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { renderDrill } from '../render/drill.js';
import type { Run } from '../run.js';
import { actOnBackup } from './backup-act.js';

interface DrillOptions {
  readonly service?: string;
  readonly host?: string;
  readonly image?: string;
  readonly timeout?: number;
}

/** A service that migrates gets more by itself: it says so. */
const TIMEOUT_MS = 30 * 60_000;

export function addBackupDrill(backup: Command, tree: Tree): void {
  addCommand<DrillOptions>(backup, tree, {
    usage: 'drill <backup>',
    summary: 'boot a copy of a backup without any network and ask it what it is: then it is proven',
    options: [
      new Option('--service <service>', 'where several services have a backup of that name'),
      new Option('--host <host>', 'where it lies on several hosts (default: where its member is)'),
      new Option(
        '--image <reference>',
        'with this image instead of its member’s: the rehearsal of an update, which proves nothing',
      ),
      durationOption(
        '--timeout <duration>',
        'how long it may take to be ready once it is copied; while it migrates it has more (default: 30m)',
      ),
    ],
    more: 'Ends with 1 when it did not come up, or is not what its record says. Such a backup counts for no update.',
    act: (run, options, name = '') => drill(run, name, options),
  });
}

async function drill(run: Run, name: string, options: DrillOptions): Promise<ExitCode> {
  const { service, host: atHost, image, timeout: timeoutMs = TIMEOUT_MS } = options;
  const request = { kind: 'drill', backup: name, service, atHost, image, timeoutMs } as const;
  const { backup, outcome } = await actOnBackup(run, request);
  // With an image that is its member's own it is no rehearsal.
  const drilled = outcome.rehearsal ?? backup?.drill;
  if (backup === undefined || drilled === undefined)
    throw new LeafwardError('failed', `drill ${name}: its host does not say what came of it`);
  const found: Found = { backup, drill: drilled, isRehearsal: outcome.rehearsal !== undefined };
  run.show(found, (data) => renderDrill(data.backup, data.drill, data.isRehearsal));
  return drilled.ok ? EXIT.done : EXIT.failed;
}

interface Found {
  readonly backup: Backup;
  readonly drill: Drill;
  readonly isRehearsal: boolean;
}
