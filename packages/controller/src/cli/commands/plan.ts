// leafward plan: makes plans and shows them. Nothing here changes the fleet.
import { Option, type Command } from 'commander';
import type { Goal } from '@leafward/shared/gen/domain.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import { addCommand, required, type Tree } from '../command.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { renderPlans } from '../render/lists.js';
import { isRefused, renderPlan } from '../render/plan.js';
import type { Run } from '../run.js';
import { addCare, backupWayOptions, type BackupWay } from './plan-care.js';
import { makePlan } from './make-plan.js';
import { addUpdate } from './plan-update.js';

async function planAndShow(run: Run, goal: Goal): Promise<ExitCode> {
  const plan = await makePlan(run, goal);
  run.show(plan, (data, style) => renderPlan(data, style));
  return isRefused(plan) ? EXIT.refused : EXIT.done;
}

export function addPlan(program: Command, tree: Tree): void {
  const plan = program
    .command('plan')
    .description('make a plan and look at it; leafward apply carries it out');
  addDeploy(plan, tree);
  addChanges(plan, tree);
  addReplacements(plan, tree);
  addReads(plan, tree);
}

function addDeploy(plan: Command, tree: Tree): void {
  addCommand<{ workerAlone?: string }>(plan, tree, {
    usage: 'deploy <file>',
    summary: "what would change to make the fleet as the manifest says ('-': stdin)",
    options: [
      new Option(
        '--worker-alone <reason>',
        'why changed workers of a stack may restart without the whole of it',
      ),
    ],
    async act(run, { workerAlone }, file = '') {
      const manifest = await run.context.readInput(file, run.context.signal);
      return planAndShow(run, { kind: 'deploy', manifest, workerAlone });
    },
  });
}

function addChanges(plan: Command, tree: Tree): void {
  addUpdate(plan, tree);
  addCommand<{ to: string }>(plan, tree, {
    usage: 'promote <service>',
    summary: 'hand leadership over to a mirror, gracefully',
    options: [required(new Option('--to <member>', 'who leads then'))],
    act: (run, { to }, service = '') => planAndShow(run, { kind: 'promote', service, to }),
  });
  addCommand<{ to?: string; leaderIsOff?: string; atOnce?: boolean }>(plan, tree, {
    usage: 'failover <service>',
    summary: 'for a dead leader: fence it, choose the best mirror, promote it by force',
    options: [
      new Option('--to <member>', 'this mirror instead of the most advanced one'),
      new Option(
        '--leader-is-off <reason>',
        'your own word that the leader is off and stays off, when its host cannot say it',
      ),
      new Option(
        '--at-once',
        'do not wait for the leader’s lease: only with its power off for certain',
      ),
    ],
    act: (run, { to, leaderIsOff, atOnce }, service = '') => {
      if (atOnce === true && (leaderIsOff ?? '').trim() === '')
        throw new LeafwardError('invalid', '--at-once needs --leader-is-off and its reason');
      return planAndShow(run, { kind: 'failover', service, to, leaderIsOff, atOnce });
    },
  });
  addCommand<BackupWay & { member?: string }>(plan, tree, {
    usage: 'backup <service>',
    summary: 'a live backup, of a caught-up mirror unless told otherwise',
    options: [new Option('--member <member>', 'from this member'), ...backupWayOptions()],
    act: (run, { member, cold, snapshot }, service = '') =>
      planAndShow(run, { kind: 'backup', service, member, name: '', cold, snapshot }),
  });
  addCare(plan, tree, planAndShow);
}

interface RestoreFlags {
  readonly backup: string;
  readonly member?: string;
  readonly host?: string;
  readonly image?: string;
  readonly wipe?: boolean;
}

/** Plans that throw data away; what they say of it stands in their warnings. */
function addReplacements(plan: Command, tree: Tree): void {
  const wipe = (what: string): Option =>
    new Option('--wipe', `delete what ${what} instead of setting it aside beside its storage`);
  addCommand<{ wipe?: boolean; fromBackup?: string; host?: string }>(plan, tree, {
    usage: 'reseed <service> <member>',
    summary: 'a mirror, or a retired member, begins again with its upstream’s data',
    options: [
      new Option(
        '--from-backup <name>',
        'fill it from this backup, which is sent to its host first, and let it catch up',
      ),
      new Option('--host <host>', 'with --from-backup: where that lies (default: nearest to it)'),
      wipe('it has'),
    ],
    act: (run, options, service = '', member = '') => {
      const { fromBackup: backup, host } = options;
      if (host !== undefined && backup === undefined)
        throw new LeafwardError(
          'invalid',
          '--host says where a backup lies: it needs --from-backup',
        );
      const how = { wipe: options.wipe === true, backup, host };
      return planAndShow(run, { kind: 'reseed', service, member, id: '', ...how });
    },
  });
  addCommand<RestoreFlags>(plan, tree, {
    usage: 'restore <service>',
    summary: 'the whole service goes back to a backup; what was written since is lost',
    options: [
      required(new Option('--backup <name>', 'see leafward backup list')),
      new Option('--member <member>', 'only this mirror, which catches up then; nothing is lost'),
      new Option(
        '--host <host>',
        'where it lies on several; a member there leads then (default: where its member is)',
      ),
      new Option(
        '--image <reference>',
        'the image that all its members get with the data: the way back from an update',
      ).conflicts('member'),
      wipe('its members have'),
    ],
    act: (run, options, service = '') => {
      const { backup, host, member, image } = options;
      return planAndShow(run, {
        kind: 'restore',
        member,
        image,
        service,
        backup,
        host,
        wipe: options.wipe === true,
        id: '',
      });
    },
  });
}

function addReads(plan: Command, tree: Tree): void {
  addCommand(plan, tree, {
    usage: 'show <id>',
    summary: 'a plan that was made before',
    async act(run, _, id = '') {
      const client = await run.client();
      const { plan: found } = await client.getPlan({ id }, run.call);
      const { operations } = await client.listOperations({ all: true }, run.call);
      const appliedAs = operations.find(({ planId }) => planId === id)?.id;
      run.show(found, (data, style) => renderPlan(data, style, { appliedAs }));
    },
  });
  addCommand(plan, tree, {
    usage: 'list',
    summary: 'plans that were made, newest first',
    async act(run) {
      const client = await run.client();
      const { plans } = await client.listPlans({}, run.call);
      const { operations } = await client.listOperations({ all: true }, run.call);
      run.show(
        [...plans].sort((a, b) => b.madeAt - a.madeAt),
        (data, style) => renderPlans(data, operations, style),
      );
    },
  });
}
