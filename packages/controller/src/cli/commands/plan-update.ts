// leafward plan update: one service to an image, or several to a tag, with release notes and a rehearsal if wished.
// Nothing here changes the fleet; a rehearsal boots a copy in isolation.
import { InvalidArgumentError, Option, type Command } from 'commander';
import { parseChangelog } from '@leafward/shared/changelog.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type {
  Goal,
  Plan,
  ReleaseNotes,
  UpdateOptions,
  UpdateStrategy,
} from '@leafward/shared/gen/domain.js';
import { addCommand, durationOption, type Tree } from '../command.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { isRefused, renderPlan } from '../render/plan.js';
import type { Run } from '../run.js';
import { actOnBackup } from './backup-act.js';
import { makePlan } from './make-plan.js';

interface UpdateFlags {
  readonly image?: string;
  readonly fleet?: boolean;
  readonly services?: readonly string[];
  readonly to?: string;
  readonly strategy?: UpdateStrategy;
  readonly rehearse?: boolean;
  readonly rehearsalTimeout?: number;
  readonly despiteRehearsal?: string;
  readonly changelog?: string;
  readonly acknowledge?: readonly string[];
}

/** As a drill's: a service that migrates gets more by itself. */
const REHEARSAL_MS = 30 * 60_000;

export function addUpdate(plan: Command, tree: Tree): void {
  addCommand<UpdateFlags>(plan, tree, {
    usage: 'update [service]',
    summary: 'a new image for a service, leafs first and the leader last; or a new tag for several',
    options: [
      new Option('--image <reference>', 'resolved to a digest once, now'),
      new Option(
        '--fleet',
        'every service of kind synapse, in the order in which they need each other',
      ),
      new Option('--services <names>', 'these services instead (a,b)').argParser(names),
      new Option('--to <tag>', 'the new tag of each service’s image: v2.150.0'),
      new Option(
        '--strategy <strategy>',
        'low-downtime: an updated mirror takes over before the leader is updated (default: as the manifest says)',
      ).choices(['leafs-first', 'low-downtime']),
      new Option('--rehearse', 'boot the newest proven backup with the image first, in isolation'),
      durationOption('--rehearsal-timeout <duration>', 'how long that may take (default: 30m)'),
      new Option('--despite-rehearsal <reason>', 'why to update although a rehearsal failed'),
      new Option('--changelog <file>', "release notes to read for what is on the way ('-': stdin)"),
      new Option(
        '--acknowledge <versions...>',
        'versions whose flag day of the data model you have read',
      ),
    ],
    more: [
      'Examples:',
      '  leafward plan update cortex --image vertexproject/synapse-cortex:v2.250.0 --strategy low-downtime',
      '  leafward plan update --fleet --to v2.250.0 --rehearse --changelog CHANGELOG.rst',
    ].join('\n'),
    act: (run, flags, service) => update(run, flags, service),
  });
}

function names(value: string): readonly string[] {
  const all = value.split(',').map((name) => name.trim());
  if (all.includes('')) throw new InvalidArgumentError('It must be names with commas: aha,cortex.');
  return all;
}

async function update(
  run: Run,
  flags: UpdateFlags,
  service: string | undefined,
): Promise<ExitCode> {
  assertFlags(flags, service);
  const goal = goalOf(flags, service, await optionsOf(run, flags));
  let plan = await makePlan(run, goal);
  if (flags.rehearse === true && mayRehearse(plan)) {
    await rehearse(run, plan, flags.rehearsalTimeout ?? REHEARSAL_MS);
    plan = await makePlan(run, goal);
  }
  run.show(plan, (data, style) => renderPlan(data, style));
  return isRefused(plan) ? EXIT.refused : EXIT.done;
}

/** @throws LeafwardError `invalid` */
function assertFlags(flags: UpdateFlags, service: string | undefined): void {
  const { image, fleet, services, to, despiteRehearsal } = flags;
  const isMany = fleet === true || services !== undefined;
  const problems: readonly (readonly [boolean, string])[] = [
    [service !== undefined && isMany, 'name one service, or say --fleet or --services, not both'],
    [service === undefined && !isMany, 'name a service, or say --fleet or --services a,b'],
    [fleet === true && services !== undefined, '--fleet is every service: leave --services out'],
    [image !== undefined && to !== undefined, '--image is the whole image: leave --to out'],
    [isMany && image !== undefined, 'several services have no image in common: say --to TAG'],
    [
      image === undefined && to === undefined,
      'say what to update to: --image REFERENCE or --to TAG',
    ],
    [despiteRehearsal?.trim() === '', '--despite-rehearsal needs a reason'],
  ];
  const wrong = problems.find(([isWrong]) => isWrong)?.[1];
  if (wrong !== undefined) throw new LeafwardError('invalid', wrong);
}

function goalOf(
  { image, services, to = '' }: UpdateFlags,
  service: string | undefined,
  options: UpdateOptions | undefined,
): Goal {
  if (image !== undefined) return { kind: 'update', service: service ?? '', image, options };
  const meant = service === undefined ? (services ?? []) : [service];
  return { kind: 'fleet-update', services: meant, tag: to, updates: [], options };
}

/** Undefined: nothing was said beyond what is to be updated. */
async function optionsOf(run: Run, flags: UpdateFlags): Promise<UpdateOptions | undefined> {
  const { strategy, despiteRehearsal, changelog, acknowledge = [] } = flags;
  const said = [strategy, despiteRehearsal, changelog].some((one) => one !== undefined);
  if (!said && acknowledge.length === 0) return undefined;
  const notes = changelog === undefined ? undefined : await notesIn(run, changelog);
  return { strategy, despiteRehearsal, notes, acknowledged: acknowledge };
}

/** @throws LeafwardError `invalid` */
async function notesIn(run: Run, file: string): Promise<ReleaseNotes> {
  const notes = parseChangelog(await run.context.readInput(file, run.context.signal));
  if (notes !== undefined) return notes;
  throw new LeafwardError(
    'invalid',
    `read the release notes in ${file}: no release is in it, such as the line "v2.150.0 - 2023-09-14" with a rule of = below it`,
  );
}

/** What is refused for another reason is not worth the time. */
const mayRehearse = ({ moves, refusals }: Plan): boolean =>
  moves.length > 0 && refusals.every(({ code }) => ['rehearsal-failed', 'flag-day'].includes(code));

/** One service after another: each takes the memory of a whole copy. */
async function rehearse(run: Run, plan: Plan, timeoutMs: number): Promise<void> {
  const client = await run.client();
  for (const { service, image } of imagesOf(plan)) {
    const { backups } = await client.listBackups({ service }, run.call);
    const proven = [...backups]
      .sort((a, b) => b.finishedAt - a.finishedAt)
      .find(({ drill }) => drill?.ok === true);
    if (proven === undefined) throw noProven(service, backups[0]?.name);
    if (run.format === 'table')
      run.remark(
        `rehearses ${service} with ${image}: boots a copy of ${proven.name} on ${proven.host}`,
      );
    const { name: backup, host: atHost } = proven;
    await actOnBackup(run, { kind: 'drill', backup, service, atHost, image, timeoutMs });
  }
}

function imagesOf({
  moves,
}: Plan): readonly { readonly service: string; readonly image: string }[] {
  const images = new Map<string, string>();
  for (const move of moves)
    if (move.kind === 'recreate') images.set(move.service, move.spec.image.reference);
  return [...images].map(([service, image]) => ({ service, image }));
}

const noProven = (service: string, newest: string | undefined): LeafwardError =>
  new LeafwardError(
    'refused',
    `rehearse the update of ${service}: none of its backups is proven; ${newest === undefined ? `take one first: leafward backup run ${service}` : `prove one first: leafward backup drill ${newest} --service ${service}`}`,
  );
