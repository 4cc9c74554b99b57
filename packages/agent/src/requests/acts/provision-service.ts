// A registry gives the one-time URL of a new member, after a look whether its name is free and its upstream there.
import { engineMember } from '../../engines/engine-member.js';
import { provisionerOf } from '../../provisioning.js';
import type { Result } from '../../requests.js';
import { refuseUnfit, type Kind, type Turn } from './parts.js';

/** The URL as the outcome's secret. @throws LeafwardError `refused` with what stands in the way. */
export async function provisionService(
  request: Kind<'provision-service'>,
  { parts, signal }: Turn,
): Promise<Result> {
  const intent = await refuseUnfit(request, { run: 'running' }, parts);
  const provisioner = provisionerOf(`provision ${request.name}`, intent, parts);
  return { secret: await provisioner.issue(engineMember(intent), request, signal) };
}
