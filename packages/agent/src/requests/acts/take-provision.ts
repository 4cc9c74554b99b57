// A new member's one-time URL is put where its first start finds it. Must never be given to a storage that holds
// anything: the marker that comes with it lets an interrupted start be wiped.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { engineMember } from '../../engines/engine-member.js';
import { assertAtRest } from '../../fill.js';
import { readMarker, realPathOf, writeMarker, type Marker } from '../../marker.js';
import { makeStorage } from '../../make-storage.js';
import { provisionerOf } from '../../provisioning.js';
import type { Result } from '../../requests.js';
import { ownerOf } from '../../runtimes/process/user.js';
import { isEmptyStorage } from '../../storage-content.js';
import { intentOf, refuseUnfit, type ActParts, type Kind, type Turn } from './parts.js';

/** @throws LeafwardError `not-found` when the URL was lost on its way, `refused` for a storage that is none for it. */
export async function takeProvision(
  request: Kind<'take-provision'>,
  { parts, signal }: Turn,
): Promise<Result> {
  const { secret, member } = request;
  const what = `provision ${member}`;
  const intent = await refuseUnfit(request, { run: 'running' }, parts);
  if (intent.provision === undefined)
    throw new LeafwardError('refused', `${what}: its order asks for none`);
  if (secret === undefined)
    throw new LeafwardError(
      'not-found',
      `${what}: the one-time URL was lost on its way; another one is asked for`,
      { retry: 'later' },
    );
  if (parts.isBusy(member))
    throw new LeafwardError('failed', `${what}: its agent is at it`, { retry: 'later' });
  const provisioner = provisionerOf(what, intent, parts);
  await assertAtRest(what, intent, [parts.runtime(intent.spec.runtime)], signal);
  const marker = await markerFor(what, intent, parts);
  await makeStorage(intent);
  await writeMarker(intent.spec.storage, marker, await ownerOf(intent.spec));
  await provisioner.offer(engineMember(intentOf(request, parts)), secret);
  return {};
}

/** A URL that waits there may be replaced: nothing has begun with it. */
async function markerFor(
  what: string,
  intent: MemberIntent,
  { fleet, journal }: ActParts,
): Promise<Marker> {
  const { member, service, term, spec } = intent;
  const refuse = (why: string): never => {
    throw new LeafwardError('refused', `${what}: ${why}`);
  };
  const reading = await readMarker(spec.storage);
  const found = reading.kind === 'found' ? reading.marker : undefined;
  if (found?.provisioning?.broken === true)
    refuse(`an interrupted start in ${spec.storage} is not wiped yet`);
  const isOpen = found?.provisioning !== undefined;
  if (!isOpen && !(await isEmptyStorage(spec)))
    refuse(`${spec.storage} is not empty; it is not touched`);
  if (found !== undefined && found.service !== service)
    refuse(`${spec.storage} belongs to the service ${found.service}`);
  const paths = [spec.storage, await realPathOf(spec.storage)];
  const wasHere = paths.some((path) => journal.state.startedOn?.[path] === member);
  if (found === undefined && wasHere)
    refuse(`${member} has lived on ${spec.storage}, and nothing there says so any more`);
  return {
    format: 1,
    fleet,
    service,
    member,
    term: Math.max(term, found?.term ?? 0),
    ...(found?.reseeded === undefined ? {} : { reseeded: found.reseeded }),
    provisioning: { broken: false },
  };
}
