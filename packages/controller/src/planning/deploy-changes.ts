// A deploy of a service that runs: new members, changed ones leafs first, removed ones, policies. Pure. What a
// deploy must not do (move a member, change its storage, take the leader away) is refused, never skipped.
import type { FieldChange, Image, MemberIntent } from '@leafward/shared/gen/domain.js';
import type { MemberDeclaration, ServiceDeclaration } from '@leafward/shared/manifest/types.js';
import { isRetired, type Topology } from '@leafward/shared/topology.js';
import { canonicalJson } from '@leafward/shared/spec-digest.js';
import type { Snapshot } from '../snapshot.js';
import { aliasRepair } from './alias.js';
import {
  adoptionGate,
  adoptionWarnings,
  asItIs,
  isTakenOver,
  withDifferences,
  type Looks,
} from './adopt.js';
import { changesBetween, kindChanges, policyChanges } from './changes.js';
import { withDatabase } from './database.js';
import { objectToMovedMember, policyMove } from './deploy-kept.js';
import { hostsGate, imageGate, placeMove } from './deploy-new.js';
import { planRemovals } from './deploy-removals.js';
import { expectedMs, judge, type Draft, type DraftMove, type GateCheck } from './draft.js';
import { livingOf, memberOf, type MemberAt, type ServiceAt } from './gather.js';
import { wantedReference } from './images-needed.js';
import { intentOf, specOf } from './intents.js';
import type { Images } from './plan-deploy.js';
import { placedAgain, provisionGate } from './provisioning.js';
import { inUpdateOrder, placeInTree, retiredOnes } from './plan-update.js';
import { pullMove } from './pull-move.js';
import { objectToOtherHistory } from './safety.js';
import { downtimeOf, gatesOfStack, planStackRestarts } from './plan-stack.js';
import { offsiteVariables, secretsGate, secretVariables } from './secrets.js';
import { isStack } from './stack.js';
import { gatesBeforeStops } from './update-gates.js';
import { isOlder } from './versions.js';
import { imageName, type Objection } from './words.js';

export interface DeployOptions {
  readonly workerAlone?: string | undefined;
  /** Of containers to be taken over, by member. */
  readonly looks?: Looks | undefined;
}

export function planService(
  snapshot: Snapshot,
  service: ServiceAt,
  manifest: ServiceDeclaration,
  images: Images,
  { workerAlone, looks = {} }: DeployOptions = {},
): Draft {
  const wanted = wantedReference(snapshot, manifest, service);
  const declaration = { ...manifest, image: wanted.reference };
  const image = images[wanted.reference] ?? newestPin(service, wanted.reference);
  const removals = planRemovals(snapshot, service, declaration);
  const topology = grownTopology(service, declaration);
  const stays = changedMembers({ snapshot, service, declaration, topology, image, ...wanted });
  const added = declaration.members.filter(
    (member) => memberOf(service, member.name) === undefined,
  );
  const changed = inUpdateOrder(service).filter((member) => stays.restarts.has(member.name));
  const stack = isStack(service)
    ? planStackRestarts(snapshot, service, { ...stays, members: changed, workerAlone })
    : undefined;
  const restarts = stack?.restarts ?? changed;
  const stops = [...removals.members, ...restarts];
  const newImage = restarts.some(
    (m) => m.intent?.spec.image.digest !== stays.restarts.get(m.name)?.digest,
  );
  const placed = placeAdded(snapshot, added, { declaration, topology, image, looks });
  const moves: readonly DraftMove[] = [
    ...pulls(snapshot, service, { restarts: stays.restarts, added, image }),
    ...stays.intentMoves,
    // First: a leaf that goes is not updated, so nothing above it may be newer while it is there (I3).
    ...removals.moves,
    ...(stack?.moves ?? restarts.flatMap((member) => stays.recreates.get(member.name) ?? [])),
    ...placed,
    ...placedAgain(service),
    ...aliasRepair(snapshot, service),
  ];
  const policies = policyChanges(service.declaration, declaration);
  const policyMoves =
    moves.length === 0 && policies.length > 0 ? policyMove(snapshot, service, policies) : [];
  const all = [...moves, ...policyMoves];
  const gatesOf = stack === undefined ? gatesBeforeStops : gatesOfStack;
  const stopGates = gatesOf(snapshot, service, stops, newImage ? image : undefined);
  const kept = stays.objections;
  const objections = { kept, stack: stack?.objections ?? [], removals: removals.objections };
  const alone = stops.length > 0 ? stopGates.checks : stopGates.checks.slice(0, 1);
  const draft = judge([
    ...toldOnly(objections),
    ...(added.length === 0
      ? []
      : gatesForNew(snapshot, service, added, { ...wanted, image, declaration })),
    ...adoptionGate(declaration, added, looks, images),
    ...(all.length === 0 ? [] : [...secretsGate(snapshot, declaration), ...alone]),
  ]);
  return {
    services: all.length === 0 ? [] : stops.length > 0 ? withDatabase(service) : [service.name],
    moves: all,
    ...draft,
    warnings: [
      ...(stops.length > 0 ? stopGates.warnings : []),
      ...stays.warnings,
      ...(stack?.warnings ?? []),
      ...adoptionWarnings(all, looks),
      ...keptWarning(wanted, manifest, service),
    ],
    unchanged: [...stays.unchanged, ...retiredOnes(service)],
    expectedDowntimeMs: restarts.some((member) => member.isLeader)
      ? expectedDowntime(snapshot, service)
      : undefined,
  };
}

const expectedDowntime = (snapshot: Snapshot, service: ServiceAt): number | undefined =>
  isStack(service)
    ? downtimeOf(snapshot, service.name)
    : expectedMs(snapshot, service.name, 'recreate');

function placeAdded(
  snapshot: Snapshot,
  added: readonly MemberDeclaration[],
  input: {
    readonly declaration: ServiceDeclaration;
    readonly topology: Topology;
    readonly image: Image | undefined;
    readonly looks: Looks;
  },
): readonly DraftMove[] {
  const { topology, image, looks } = input;
  if (image === undefined) return [];
  return fromTheTop(added, topology).map((member) =>
    placeMove(snapshot, { ...input, image, member, look: looks[member.name] }),
  );
}

/** Gates that are shown only where something objects: few deploys have anything to do with them. */
const toldOnly = (gates: Readonly<Record<string, readonly Objection[]>>): readonly GateCheck[] =>
  Object.entries(gates)
    .filter(([, objections]) => objections.length > 0)
    .map(([name, objections]) => ({ name, passed: '', objections }));

const gatesForNew = (
  snapshot: Snapshot,
  service: ServiceAt,
  added: readonly MemberDeclaration[],
  wanted: {
    readonly reference: string;
    readonly image: Image | undefined;
    readonly declaration: ServiceDeclaration;
  },
): readonly GateCheck[] => [
  hostsGate(
    snapshot,
    service.name,
    added.map((member) => member.host),
  ),
  imageGate(service.name, wanted.reference, wanted.image),
  ...provisionGate(snapshot, wanted.declaration, added),
];

const keptWarning = (
  wanted: { readonly isKept: boolean; readonly reference: string },
  manifest: ServiceDeclaration,
  service: ServiceAt,
): readonly string[] =>
  wanted.isKept
    ? [
        `${service.name} has ${wanted.reference} since an update or a restore and keeps it; the manifest still says ${manifest.image}: write ${wanted.reference} into it`,
      ]
    : [];

/** Of several pins of one reference the newest: a new mirror may be newer than its leader, never older (I3). */
function newestPin(service: ServiceAt, reference: string): Image | undefined {
  const pins = livingOf(service)
    .flatMap((member) => member.intent?.spec.image ?? [])
    .filter((image) => image.reference === reference);
  return pins.reduce<Image | undefined>(
    (best, pin) => (best === undefined || isOlder(best.version, pin.version) ? pin : best),
    undefined,
  );
}

/** The tree as it is, with the new members where the manifest puts them. */
function grownTopology(service: ServiceAt, declaration: ServiceDeclaration): Topology {
  const { topology } = service;
  const upstreams: Record<string, string> = { ...topology.upstreams };
  const added = declaration.members.filter(
    (member) => memberOf(service, member.name) === undefined,
  );
  const living = new Set([
    ...livingOf(service).map((member) => member.name),
    ...added.map((member) => member.name),
  ]);
  for (const { name, upstream } of added)
    upstreams[name] = upstream !== undefined && living.has(upstream) ? upstream : topology.leader;
  return { ...topology, upstreams };
}

function fromTheTop(
  added: readonly MemberDeclaration[],
  topology: Topology,
): readonly MemberDeclaration[] {
  const depth = (name: string): number => {
    const upstream = topology.upstreams[name];
    return upstream === undefined ? 0 : depth(upstream) + 1;
  };
  return [...added].sort((a, b) => depth(a.name) - depth(b.name) || a.name.localeCompare(b.name));
}

interface ChangeInput {
  readonly snapshot: Snapshot;
  readonly service: ServiceAt;
  readonly declaration: ServiceDeclaration;
  readonly topology: Topology;
  readonly image: Image | undefined;
  readonly reference: string;
  readonly isKept: boolean;
}

interface Changed {
  /** Image after the restart, by member. */
  readonly restarts: ReadonlyMap<string, Image>;
  readonly recreates: ReadonlyMap<string, DraftMove>;
  readonly intentMoves: readonly DraftMove[];
  readonly objections: readonly Objection[];
  readonly unchanged: readonly string[];
  readonly warnings: readonly string[];
}

function changedMembers(input: ChangeInput): Changed {
  const { service, declaration } = input;
  const restarts = new Map<string, Image>();
  const recreates = new Map<string, DraftMove>();
  const intentMoves: DraftMove[] = [];
  const objections: Objection[] = [];
  const unchanged: string[] = [];
  const warnings: string[] = [];
  for (const declared of declaration.members) {
    const member = memberOf(service, declared.name);
    const intent = member?.intent;
    if (member === undefined || intent === undefined) continue;
    if (isRetired(service.topology, member.name)) continue;
    objections.push(...objectToMovedMember(member, intent, declared, declaration));
    const image = imageFor(input, intent);
    const secrets = secretVariables(input.snapshot, declared);
    const spec = specOf(declaration, declared, image, secrets);
    const isLetGo = declared.container === undefined && isTakenOver(intent);
    const isAnew = isLetGo || changesBetween(intent.spec, spec).length > 0;
    const changes = isAnew
      ? withDifferences(member, [
          ...changesBetween(intent.spec, spec),
          ...lettingGo(isLetGo, intent),
        ])
      : [];
    const intentMove = intentChange(input, member, intent);
    if (intentMove !== undefined) intentMoves.push(intentMove);
    // An earlier deploy was aborted while it removed this one: it is declared, so it comes back.
    const isHalted = isStack(service) && intent.run === 'stopped';
    const isBack = intent.run === 'removed' || isHalted;
    if (changes.length === 0 && !isBack) {
      if (intentMove === undefined)
        unchanged.push(`${member.name} ${asItIs(member)}, ${imageName(intent.spec.image)}`);
      continue;
    }
    if (!isStack(service)) objections.push(...objectToOtherHistory(member));
    restarts.set(member.name, image);
    recreates.set(member.name, {
      kind: 'recreate',
      service: service.name,
      cause: `${placeInTree(service, member)}: ${isHalted ? 'it was left stopped' : isBack ? 'its removal is taken back' : changes.map((change) => change.path).join(', ')}`,
      expectedMs: expectedMs(input.snapshot, service.name, 'recreate'),
      member: member.name,
      host: member.host,
      spec,
      changes,
      fromVersion: member.fact?.engine.version ?? intent.spec.image.version,
    });
  }
  return { restarts, recreates, intentMoves, objections, unchanged, warnings };
}

/** One that was taken over is made anew when the manifest names its container no more. */
const lettingGo = (isLetGo: boolean, { adoption, member }: MemberIntent): readonly FieldChange[] =>
  isLetGo && adoption !== undefined
    ? [{ path: 'container', before: adoption.container, after: `leafward-${member}` }]
    : [];

/** A member keeps its own pin as long as the reference is the same: a tag that moved is no change. */
function imageFor({ image, reference, isKept }: ChangeInput, intent: MemberIntent): Image {
  const own = intent.spec.image;
  return isKept || own.reference === reference || image === undefined ? own : image;
}

function intentChange(
  { snapshot, service, declaration, topology }: ChangeInput,
  member: MemberAt,
  old: MemberIntent,
): DraftMove | undefined {
  const { upstream, mirrored, boot, isolation, exec, restartAfterMs, backupDuty, provision } =
    intentOf(declaration, topology, member.name, old.spec, offsiteVariables(snapshot, declaration));
  const wanted = {
    ...old,
    upstream,
    mirrored,
    boot,
    isolation,
    exec,
    restartAfterMs,
    backupDuty,
    provision,
  };
  const commands = kindChanges(old.exec, exec);
  const changed = (
    [
      ['mirrored', old.mirrored !== mirrored],
      ['boot', old.boot !== boot],
      ['time until a dead leader is started again', old.restartAfterMs !== restartAfterMs],
      ['isolation', JSON.stringify(isolationOf(old)) !== JSON.stringify(isolationOf(wanted))],
      ['provisioning', canonicalJson(old.provision ?? {}) !== canonicalJson(provision ?? {})],
      ['upstream', old.upstream?.url !== upstream?.url],
      ['duty of backups', canonicalJson(old.backupDuty ?? {}) !== canonicalJson(backupDuty ?? {})],
      [`description of its kind (${commands})`, commands !== ''],
    ] as const
  ).filter(([, differs]) => differs);
  if (changed.length === 0) return undefined;
  return {
    kind: 'place',
    service: service.name,
    cause: `goes on as it is, with another ${changed.map(([name]) => name).join(', ')}`,
    expectedMs: expectedMs(snapshot, service.name, 'place'),
    host: member.host,
    intent: wanted,
  };
}

const isolationOf = ({ isolation }: MemberIntent) => [
  isolation.onIsolation,
  isolation.leaseMs,
  isolation.stopGraceMs,
  isolation.renewMs,
  isolation.clockMarginMs,
];

function pulls(
  snapshot: Snapshot,
  service: ServiceAt,
  wanted: {
    readonly restarts: ReadonlyMap<string, Image>;
    readonly added: readonly MemberDeclaration[];
    readonly image: Image | undefined;
  },
): readonly DraftMove[] {
  const byDigest = new Map<string, { readonly image: Image; readonly hosts: string[] }>();
  const need = (image: Image, host: string): void => {
    const entry = byDigest.get(image.digest) ?? { image, hosts: [] };
    entry.hosts.push(host);
    byDigest.set(image.digest, entry);
  };
  for (const [name, image] of wanted.restarts) {
    const member = memberOf(service, name);
    if (member !== undefined && member.intent?.spec.image.digest !== image.digest)
      need(image, member.host);
  }
  if (wanted.image !== undefined)
    for (const member of wanted.added)
      if (member.container === undefined) need(wanted.image, member.host);
  return [...byDigest.values()].map(({ image, hosts }) =>
    pullMove(snapshot, service, hosts, image),
  );
}
