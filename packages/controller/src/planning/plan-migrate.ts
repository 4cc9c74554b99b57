// From Synapse 0.1.x: the one member of a new service stops, a tool fills it from a backup of the old Cortex, it leads with
// that in a new term, and gets what the old one got since. The old one is only read; what the new one has is set aside,
// never deleted. Pure.
import type { Goal } from '@leafward/shared/gen/domain.js';
import type { Migrate020 } from '@leafward/shared/manifest/types.js';
import type { Snapshot } from '../snapshot.js';
import { unable } from './able.js';
import { expectedMs, judge, type Draft, type DraftMove, type GateCheck } from './draft.js';
import { livingOf, urlOf, type MemberAt, type ServiceAt } from './gather.js';
import { haltOrder } from './halt-order.js';
import { fateOf } from './plan-reseed.js';
import { objectToCompany } from './scheduled.js';
import { objectToRetired, silent } from './safety.js';
import { evidence, listed, type Objection } from './words.js';

type MigrateGoal = Extract<Goal, { kind: 'migrate' }>;

const FIRST_TERM = 1;

export function planMigrate(snapshot: Snapshot, service: ServiceAt, goal: MigrateGoal): Draft {
  const { name, leader, declaration } = service;
  const tools = declaration.migrate020;
  if (tools === undefined || declaration.kind !== 'synapse' || leader === undefined)
    return unable(name, [noTools(service)]);
  const isCutOver = goal.cutOver === true;
  return {
    services: [name],
    ...judge(gatesFor(snapshot, service, { leader, tools, isCutOver })),
    warnings: isCutOver
      ? ['what is written to the source from now on is not brought over: nobody may write to it']
      : warningsOf(tools, leader, goal),
    unchanged: isCutOver ? [] : [`${tools.migration.source} is only read, and stays`],
    moves: [
      ...(isCutOver ? [] : migration(snapshot, service, { leader, tools, goal })),
      ...syncing(snapshot, service, { leader, tools }),
    ],
    expectedDowntimeMs: isCutOver ? 0 : expectedMs(snapshot, name, 'migrate'),
  };
}

interface Migrating {
  readonly leader: MemberAt;
  readonly tools: Migrate020;
}

function migration(
  snapshot: Snapshot,
  service: ServiceAt,
  { leader, tools, goal }: Migrating & { readonly goal: MigrateGoal },
): readonly DraftMove[] {
  const { name, topology } = service;
  const halts = haltOrder(service);
  const { command, resume } = tools.migration;
  return [
    ...(halts.length === 0
      ? []
      : [
          {
            kind: 'halt' as const,
            service: name,
            cause: 'nobody may write while its data is made',
            expectedMs: expectedMs(snapshot, name, 'halt'),
            members: halts,
          },
        ]),
    {
      kind: 'migrate',
      service: name,
      cause: `term ${topology.term + 1} begins with it`,
      expectedMs: expectedMs(snapshot, name, 'migrate'),
      member: leader.name,
      host: leader.host,
      term: topology.term + 1,
      migration: {
        ...tools.migration,
        command: filled(service, leader, command),
        resume: filled(service, leader, resume),
        acceptErrors: goal.acceptErrors === true,
      },
    },
  ];
}

function syncing(
  snapshot: Snapshot,
  service: ServiceAt,
  { leader, tools: { sync } }: Migrating,
): readonly DraftMove[] {
  if (sync === undefined) return [];
  return [
    {
      kind: 'sync',
      service: service.name,
      cause: 'what was written since the backup',
      expectedMs: expectedMs(snapshot, service.name, 'sync'),
      member: leader.name,
      host: leader.host,
      sync: { ...sync, command: filled(service, leader, sync.command) },
    },
  ];
}

/** Paths are the agent's to fill in: it knows what the tool sees. */
const filled = (
  { name, declaration }: ServiceAt,
  { name: member }: MemberAt,
  words: readonly string[],
): readonly string[] =>
  words.map((word) =>
    word
      .replaceAll('{member}', member)
      .replaceAll('{service}', name)
      .replaceAll('{url}', urlOf(declaration, member)),
  );

function gatesFor(
  snapshot: Snapshot,
  service: ServiceAt,
  { leader, tools, isCutOver }: Migrating & { readonly isCutOver: boolean },
): readonly GateCheck[] {
  const { name } = service;
  return [
    {
      name: 'alone',
      passed: `no other operation is going on on ${name}`,
      objections: objectToCompany(snapshot, name),
    },
    {
      name: 'connected',
      passed: `${leader.name} is in sight`,
      objections: leader.isFresh ? [] : [silent(leader)],
    },
    {
      name: 'retired',
      passed: 'nobody is brought back that must not be (I2)',
      objections: objectToRetired(leader),
    },
    isCutOver
      ? {
          name: 'migrated',
          passed: `${leader.name} leads with migrated data`,
          objections: objectToCutOver(service, leader, tools),
        }
      : {
          name: 'destination',
          passed: `${leader.name} is alone and has never led with anything of its own`,
          objections: [...objectToMirrors(service), ...objectToUse(service, leader)],
          evidence: [
            evidence('source', tools.migration.source),
            evidence('position', leader.fact?.engine.position),
          ],
        },
  ];
}

/** Mirrors of what is replaced would have to be begun again one by one. */
function objectToMirrors(service: ServiceAt): readonly Objection[] {
  const mirrors = livingOf(service).filter((member) => !member.isLeader);
  if (mirrors.length === 0) return [];
  const names = listed(mirrors.map((member) => member.name));
  return [
    {
      code: 'has-mirrors',
      subject: service.name,
      message: `${names} mirror${mirrors.length === 1 ? 's' : ''} what is replaced; the new leader comes first`,
      unblock: `take ${names} out of the manifest and deploy; deploy with them again when ${service.name} has its data`,
      evidence: [],
    },
  ];
}

/** A term of its own begins with each migration, restore and hand-over: later ones are somebody's data. */
function objectToUse({ topology }: ServiceAt, leader: MemberAt): readonly Objection[] {
  if (topology.term === FIRST_TERM) return [];
  return [
    {
      code: 'destination-used',
      subject: leader.name,
      message: `${leader.name} is in term ${topology.term}: it was migrated, restored or promoted before, and has data of its own`,
      unblock:
        'bring over what is missing with --cut-over; or deploy an empty service beside it and migrate to that',
      evidence: [evidence('term', topology.term, { wanted: String(FIRST_TERM) })],
    },
  ];
}

function objectToCutOver(
  { name, topology }: ServiceAt,
  leader: MemberAt,
  { sync }: Migrate020,
): readonly Objection[] {
  if (sync === undefined)
    return [
      {
        code: 'no-migration-tools',
        subject: name,
        message: `the manifest names no tool that brings over what the source of ${name} got since`,
        unblock: 'write migrate020.sync into the manifest, deploy, and plan again',
        evidence: [],
      },
    ];
  if (topology.term > FIRST_TERM && leader.intent?.run === 'running') return [];
  return [
    {
      code: 'not-migrated',
      subject: leader.name,
      message: `${leader.name} has no migrated data that it leads with`,
      unblock: `migrate it first: leafward plan migrate-020 ${name}`,
      evidence: [
        evidence('term', topology.term, { wanted: `> ${FIRST_TERM}` }),
        evidence('run', leader.intent?.run, { wanted: 'running' }),
      ],
    },
  ];
}

function warningsOf(
  { migration: { source }, sync }: Migrate020,
  leader: MemberAt,
  { acceptErrors }: MigrateGoal,
): readonly string[] {
  return [
    fateOf(leader, false),
    `${leader.name} is down until all of ${source} is migrated; the 0.1.x Cortex runs on meanwhile`,
    sync === undefined
      ? 'what was written to the source after that backup is not brought over: the manifest has no migrate020.sync'
      : 'whatever writes to the 0.1.x Cortex goes on to do so until the cut-over: plan that with --cut-over',
    ...(acceptErrors === true
      ? ['what the tool cannot migrate is left behind, and told when it is done']
      : []),
  ];
}

const noTools = ({ name, declaration }: ServiceAt): Objection => ({
  code: declaration.kind === 'synapse' ? 'no-migration-tools' : 'kind-cannot',
  subject: name,
  message:
    declaration.kind === 'synapse'
      ? `how ${name} comes from Synapse 0.1.x is not in the manifest`
      : `${name} is of kind ${declaration.kind}: only a Synapse service comes from 0.1.x`,
  unblock: 'write migrate020 into the manifest for it, deploy, and plan again',
  evidence: [],
});
