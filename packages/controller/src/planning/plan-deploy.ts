// From a manifest to moves: service by service in the order in which they need each other. Pure. Never moves the
// leadership: the manifest says how a member begins, the store's tree says where it is.
import type { Goal, Image } from '@leafward/shared/gen/domain.js';
import { parseManifest } from '@leafward/shared/manifest/parse.js';
import type { Manifest, ServiceDeclaration } from '@leafward/shared/manifest/types.js';
import type { Snapshot } from '../snapshot.js';
import { looksOf } from './adopt.js';
import { planNewService } from './deploy-new.js';
import { planService } from './deploy-changes.js';
import { emptyDraft, join, judge, type Draft } from './draft.js';
import { gatherService } from './gather.js';
import { evidence, type Objection } from './words.js';

export type Images = Readonly<Record<string, Image>>;

export function planDeploy(
  snapshot: Snapshot,
  goal: Extract<Goal, { kind: 'deploy' }>,
  images: Images,
): Draft {
  const parsed = parseManifest(goal.manifest);
  if (!parsed.ok)
    return {
      ...emptyDraft,
      refusals: parsed.problems.map((problem) => ({
        code: 'manifest',
        subject: problem.path,
        message: `${problem.line === undefined ? '' : `line ${problem.line}: `}${problem.message}`,
        unblock: 'correct the manifest',
        evidence: [],
      })),
    };
  const { manifest } = parsed;
  const { workerAlone } = goal;
  const looks = looksOf(goal);
  const drafts = inOrder(manifest.services).map((declaration) => {
    const service = gatherService(snapshot, declaration.name);
    return service?.members.some((member) => member.intent !== undefined) === true
      ? planService(snapshot, service, declaration, images, { workerAlone, looks })
      : planNewService(snapshot, declaration, images, looks);
  });
  const fleet = judge([
    {
      name: 'fleet',
      passed: `this is the controller of ${snapshot.fleet}`,
      objections: objectToFleet(snapshot, manifest),
    },
  ]);
  const first = { ...emptyDraft, ...fleet, unchanged: forgotten(snapshot, manifest) };
  return join([first, ...drafts, { ...emptyDraft, warnings: hookWarnings(drafts) }]);
}

function objectToFleet(snapshot: Snapshot, manifest: Manifest): readonly Objection[] {
  if (manifest.fleet === snapshot.fleet) return [];
  return [
    {
      code: 'other-fleet',
      subject: manifest.fleet,
      message: `the manifest is of fleet ${manifest.fleet}, this controller looks after ${snapshot.fleet}`,
      unblock: 'take the manifest of this fleet, or ask its own controller',
      evidence: [evidence('fleet', manifest.fleet, { wanted: snapshot.fleet })],
    },
  ];
}

/** What no backup of a cell holds must be kept by somebody. */
function hookWarnings(drafts: readonly Draft[]): readonly string[] {
  const hooked = drafts
    .flatMap(({ moves }) => moves)
    .flatMap((move) => {
      const intent = move.kind === 'place' ? move.intent : undefined;
      const spec = move.kind === 'recreate' ? move.spec : intent?.spec;
      const name = move.kind === 'recreate' ? move.member : intent?.member;
      return spec?.hooks === undefined || name === undefined ? [] : [name];
    });
  if (hooked.length === 0) return [];
  return [
    `backups do not hold the boot hooks of ${hooked.join(', ')}, nor what they write beside the storage: keep the manifest`,
  ];
}

/** Leaving a whole service out of a file is a slip more often than a wish. */
const forgotten = (snapshot: Snapshot, manifest: Manifest): readonly string[] =>
  Object.keys(snapshot.services)
    .filter((name) => !manifest.services.some((service) => service.name === name))
    .sort()
    .map((name) => `${name} is not in the manifest; a deploy never takes a whole service away`);

/** What a service needs comes before it; otherwise as written. The parser has refused rings. */
function inOrder(services: readonly ServiceDeclaration[]): readonly ServiceDeclaration[] {
  const byName = new Map(services.map((service) => [service.name, service]));
  const order = new Set<ServiceDeclaration>();
  const visit = (service: ServiceDeclaration): void => {
    if (order.has(service)) return;
    for (const name of service.after) {
      const needed = byName.get(name);
      if (needed !== undefined) visit(needed);
    }
    order.add(service);
  };
  for (const service of services) visit(service);
  return [...order];
}
