// Containers that run already and are taken over as they are: whether what was seen of them is what the manifest says,
// and the order that leaves them alone. Pure. A tree that is another one than the cells' own is refused, never made.
import type {
  ContainerLook,
  FieldChange,
  Goal,
  Image,
  MemberIntent,
} from '@leafward/shared/gen/domain.js';
import type { MemberDeclaration, ServiceDeclaration } from '@leafward/shared/manifest/types.js';
import { specDigestOf } from '@leafward/shared/spec-digest.js';
import { withoutUser } from '@leafward/shared/url-user.js';
import type { Snapshot } from '../snapshot.js';
import type { DraftMove, GateCheck } from './draft.js';
import type { MemberAt } from './gather.js';
import { intentOf, specOf } from './intents.js';
import type { Images } from './plan-deploy.js';
import { secretVariables } from './secrets.js';
import { firstTopology } from './topology-of.js';
import { isOlder } from './versions.js';
import { evidence, imageName, type Objection } from './words.js';

export type Looks = Readonly<Record<string, ContainerLook>>;

export const looksOf = (goal: Extract<Goal, { kind: 'deploy' }>): Looks =>
  Object.fromEntries((goal.looks?.looks ?? []).map(({ member, look }) => [member, look]));

export interface LookNeeded {
  readonly host: string;
  readonly wanted: MemberIntent;
}

/** Members that are to take a container over and are not placed yet, on hosts that can be asked. */
export function looksNeeded(
  snapshot: Snapshot,
  services: readonly ServiceDeclaration[],
  images: Images,
): readonly LookNeeded[] {
  return services.flatMap((service) =>
    service.members.flatMap((member): readonly LookNeeded[] => {
      const { container, host } = member;
      const state = snapshot.hosts[host];
      const isPlaced = state?.intent?.members.some((one) => one.member === member.name) === true;
      if (container === undefined || isPlaced || state?.connected !== true) return [];
      const image = images[service.image] ?? { reference: service.image, digest: '' };
      const spec = specOf(service, member, image, secretVariables(snapshot, member));
      const intent = intentOf(service, firstTopology(service), member.name, spec);
      return [{ host, wanted: { ...intent, adoption: { container, specDigest: '' } } }];
    }),
  );
}

/** What a container runs, called as the manifest calls it: the member's own pin, whatever a tag means by now. */
export const adoptedImage = (service: ServiceDeclaration, look: ContainerLook): Image => ({
  ...look.image,
  reference: service.image,
});

/** The order that leaves it as it is. */
export const takenOver = (intent: MemberIntent, container: string): MemberIntent => ({
  ...intent,
  adoption: { container, specDigest: specDigestOf(intent.spec) },
});

/** True while the member is the container that was taken over, and is to stay it. */
export const isTakenOver = ({ adoption, spec }: MemberIntent): boolean =>
  adoption !== undefined && adoption.specDigest === specDigestOf(spec);

/** What a deploy says of a member that it leaves alone. */
export function asItIs({ fact }: MemberAt): string {
  const { container = '', differences = [] } = fact?.adoption ?? {};
  if (differences.length === 0) return 'is as it should be';
  const paths = differences.map(({ path }) => path).join(', ');
  return `stays the container ${container} as it was taken over, which differs in ${paths}`;
}

/** What a recreation changes beside what the order says: all that the old container was otherwise. */
export function withDifferences(
  member: MemberAt,
  changes: readonly FieldChange[],
): readonly FieldChange[] {
  const told = new Set(changes.map(({ path }) => path));
  const more = (member.fact?.adoption?.differences ?? []).filter(({ path }) => !told.has(path));
  return [...changes, ...more].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Empty for members that take nothing over. */
export function adoptionGate(
  service: ServiceDeclaration,
  members: readonly MemberDeclaration[],
  looks: Looks,
  images: Images,
): readonly GateCheck[] {
  const adopting = members.filter(({ container }) => container !== undefined);
  if (adopting.length === 0) return [];
  const objections = adopting.flatMap((member) => {
    const look = looks[member.name];
    if (look === undefined) return [unseen(member)];
    if (look.problem !== undefined) return [unfit(member, look.problem)];
    return [
      ...objectToImage(service, member, look, images),
      ...objectToTree(service, member, look),
      ...objectToAge(service, member, looks),
    ];
  });
  return [
    {
      name: 'containers',
      passed: `${adopting.map(({ container }) => container).join(', ')} run and say of themselves what the manifest says`,
      objections: [...objections, ...objectToIdens(service, adopting, looks)],
    },
  ];
}

const unseen = ({ name, host, container = '' }: MemberDeclaration): Objection => ({
  code: 'container-unseen',
  subject: name,
  message: `what container ${container} on ${host} is was not seen`,
  unblock: `connect ${host}, whose agent may have to be updated first, and plan again`,
  evidence: [],
});

const unfit = ({ name, host }: MemberDeclaration, problem: string): Objection => ({
  code: 'container-unfit',
  subject: name,
  message: `${name} cannot be taken over on ${host}: ${problem}`,
  unblock: 'correct `container` or `storage` of the manifest, or leave `container` out',
  evidence: [],
});

function objectToImage(
  service: ServiceDeclaration,
  { name }: MemberDeclaration,
  { image }: ContainerLook,
  images: Images,
): readonly Objection[] {
  const wanted = images[service.image];
  if (image.reference === service.image || image.digest === wanted?.digest) return [];
  return [
    {
      code: 'image-differs',
      subject: name,
      message: `${name} runs ${image.reference}, and the manifest says ${service.image}`,
      unblock: `write ${image.reference}, deploy, and then: leafward plan update ${service.name} --image ${service.image}`,
      evidence: [evidence('image', image.reference, { wanted: service.image })],
    },
  ];
}

function objectToTree(
  service: ServiceDeclaration,
  member: MemberDeclaration,
  look: ContainerLook,
): readonly Objection[] {
  const { active, upstreamUrl } = look;
  const seen =
    upstreamUrl === undefined
      ? active === true
        ? 'leads'
        : 'mirrors nobody'
      : `mirrors ${upstreamUrl}`;
  const wanted = member.upstream === undefined ? 'leads' : `mirrors ${member.upstream}`;
  const above = service.members.find(({ name }) => name === member.upstream);
  const urls = [
    above?.url,
    above?.upstream === undefined ? member.engineOptions['leaderAlias'] : undefined,
  ];
  const isAsSaid =
    above === undefined
      ? active === true && upstreamUrl === undefined
      : active !== true &&
        upstreamUrl !== undefined &&
        urls.some((url) => url !== undefined && withoutUser(url) === withoutUser(upstreamUrl));
  if (isAsSaid) return [];
  const isUrl = above !== undefined && upstreamUrl !== undefined;
  return [
    {
      code: 'tree-differs',
      subject: member.name,
      message: `${member.name} ${seen}, and the manifest says that it ${wanted}${isUrl ? ` (${urls.filter((url) => url !== undefined).join(' or ')})` : ''}`,
      unblock:
        'write the tree as it is, with `upstreamUrl` or `engine.leaderAlias` as its cells have it',
      evidence: [evidence('active', active, {}), evidence('mirrors', upstreamUrl ?? 'nobody', {})],
    },
  ];
}

/** I3: what runs may break it already, and no plan may say so of itself. */
function objectToAge(
  service: ServiceDeclaration,
  { name, upstream }: MemberDeclaration,
  looks: Looks,
): readonly Objection[] {
  const above = upstream === undefined ? undefined : looks[upstream]?.image;
  const own = looks[name]?.image;
  if (above === undefined || own === undefined || !isOlder(own.version, above.version)) return [];
  return [
    {
      code: 'mirror-older',
      subject: name,
      message: `${name} runs ${imageName(own)} below ${upstream ?? ''} with ${imageName(above)} (I3)`,
      unblock: `update ${name} by hand first: mirrors of ${service.name} are never older than their upstream`,
      evidence: [],
    },
  ];
}

/** Leader and mirrors of one service are one cell. */
function objectToIdens(
  service: ServiceDeclaration,
  adopting: readonly MemberDeclaration[],
  looks: Looks,
): readonly Objection[] {
  const idens = adopting.flatMap(({ name }) => {
    const iden = looks[name]?.iden;
    return iden === undefined ? [] : [{ name, iden }];
  });
  const [first] = idens;
  const other = idens.find(({ iden }) => iden !== first?.iden);
  if (first === undefined || other === undefined) return [];
  return [
    {
      code: 'other-cell',
      subject: service.name,
      message: `${first.name} and ${other.name} are two cells, ${first.iden} and ${other.iden}, and the manifest says that they are one service`,
      unblock: 'write them as two services',
      evidence: idens.map(({ name, iden }) => evidence(`iden of ${name}`, iden)),
    },
  ];
}

/** What an operator should know before: what stays as it is, and what does not. */
export function adoptionWarnings(moves: readonly DraftMove[], looks: Looks): readonly string[] {
  return moves.flatMap((move) => {
    const look = move.kind === 'place' ? looks[move.intent.member] : undefined;
    if (move.kind !== 'place' || look === undefined || move.intent.adoption === undefined)
      return [];
    const { member } = move.intent;
    const { container, restartPolicy } = look;
    const differences = look.differences.filter(({ path }) => path !== 'image');
    const paths = differences.map(({ path }) => path).join(', ');
    return [
      ...(['', 'no'].includes(restartPolicy)
        ? []
        : [
            `${container} loses its restart policy ${restartPolicy} at once: from then on ${member} is started by its agent alone (I2)`,
          ]),
      ...(paths === ''
        ? []
        : [
            `${member} stays ${container} as it is, which differs from the manifest in ${paths}; a plan that makes it anew brings that`,
          ]),
    ];
  });
}
