// What a container is that may be taken over for a member, and what the service in it says of itself. Changes nothing.
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { ContainerLook } from '@leafward/shared/gen/domain.js';
import { specDigestOf } from '@leafward/shared/spec-digest.js';
import { engineMember } from '../../engines/engine-member.js';
import { withoutPassword } from '../../engines/synapse/telepath/address.js';
import { readMarker } from '../../marker.js';
import type { Result } from '../../requests.js';
import type { ActParts, Kind, Turn } from './parts.js';

type Wanted = Kind<'look-at-container'>['wanted'];

/** @throws LeafwardError `refused` where the runtime takes nothing over, `invalid` for an order without a container. */
export async function lookAtContainer(
  { wanted }: Kind<'look-at-container'>,
  { parts, signal }: Turn,
): Promise<Result> {
  const { member, service, spec, adoption } = wanted;
  const runtime = parts.runtime(spec.runtime);
  if (adoption === undefined)
    throw new LeafwardError('invalid', `look at a container for ${member}: its name is missing`);
  if (runtime.lookAt === undefined)
    throw new LeafwardError(
      'refused',
      `look at ${adoption.container}: the ${runtime.name} runtime can take nothing over`,
    );
  const container = { member, service, spec, specDigest: specDigestOf(spec) };
  const look = await runtime.lookAt(adoption.container, container, signal);
  const problem = await problemOf(look, wanted);
  if (problem !== undefined) return { look: { ...look, problem } };
  return { look: { ...look, ...(await askService(wanted, parts, signal)) } };
}

async function problemOf(
  { container, state, holdsStorage }: ContainerLook,
  { service, spec }: Wanted,
): Promise<string | undefined> {
  if (state === 'absent') return `there is no container ${container}`;
  if (!holdsStorage)
    return `container ${container} has not ${spec.storage} mounted for writing at ${spec.storageTarget}, or was made by Leafward`;
  if (state !== 'running') return `container ${container} is ${state}: start it first`;
  const marker = await readMarker(spec.storage);
  if (marker.kind === 'unreadable') return `whether its storage is retired: ${marker.error}`;
  if (marker.kind === 'none') return undefined;
  if (marker.marker.retired !== undefined) return `${spec.storage} is retired (I2)`;
  return marker.marker.service === service
    ? undefined
    : `${spec.storage} belongs to the service ${marker.marker.service}`;
}

type Said = Pick<ContainerLook, 'active' | 'iden' | 'upstreamUrl' | 'problem'>;

async function askService(wanted: Wanted, parts: ActParts, signal: AbortSignal): Promise<Said> {
  const engine = parts.engineOf(wanted);
  const asked = engineMember(wanted);
  try {
    const fact = await engine.observe(asked, signal);
    if (!fact.answered)
      return { problem: `its service does not answer: ${fact.error ?? 'no reason given'}` };
    const stored = await engine.readStoredRole(asked);
    const { active, iden } = fact;
    const { upstreamUrl } = stored;
    // As it lies in the cell's own file; it goes into a plan (I14).
    const told = upstreamUrl ? { upstreamUrl: withoutPassword(upstreamUrl) } : {};
    return { active, iden, ...told };
  } catch (error) {
    return { problem: `what it says of itself could not be read: ${messageOf(error)}` };
  } finally {
    const isMember = parts.journal.state.intent?.members.some(
      (one) => one.member === wanted.member,
    );
    if (isMember !== true) engine.forget(wanted.member);
  }
}
