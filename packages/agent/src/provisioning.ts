// What is done to a storage around a member's first start. Must never wipe one whose marker does not say that it is
// being provisioned: that mark is set on an empty storage only, and taken away when its program has answered.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { engineMember } from './engines/engine-member.js';
import type { Provisioner } from './engines/engine.js';
import { assertAtRest } from './fill.js';
import type { Hands } from './hands.js';
import { readMarker, writeMarker } from './marker.js';
import type { Step } from './plan/steps.js';
import { ownerOf } from './runtimes/process/user.js';
import { wipeStorage } from './storage-content.js';

export interface ProvisioningTurn {
  readonly intent: MemberIntent;
  readonly hands: Pick<Hands, 'engineOf' | 'runtimeOf'>;
  readonly signal: AbortSignal;
}

/** @throws LeafwardError `refused` when it runs or is not being provisioned, `failed` with what the system says. */
export async function performProvisioning(
  step: Extract<Step, { kind: 'begin-anew' | 'end-provisioning' }>,
  { intent, hands, signal }: ProvisioningTurn,
): Promise<void> {
  const { spec } = intent;
  const what = `${step.kind} ${step.member}`;
  if (step.kind === 'begin-anew') {
    await assertAtRest(what, intent, [hands.runtimeOf(intent)], signal);
    await assertUnanswered(what, spec.storage);
    await wipeStorage(spec, signal);
  } else await provisionerOf(what, intent, hands).clear(engineMember(intent));
  await writeMarker(spec.storage, step.marker, await ownerOf(spec));
}

async function assertUnanswered(what: string, storage: string): Promise<void> {
  const reading = await readMarker(storage);
  if (reading.kind === 'found' && reading.marker.provisioning?.broken === true) return;
  throw new LeafwardError(
    'refused',
    `${what}: the marker in ${storage} does not say that its first start was cut short; nothing is wiped`,
    { retry: 'later' },
  );
}

/** @throws LeafwardError `invalid` for a kind that knows no provisioning. */
export function provisionerOf(
  what: string,
  intent: MemberIntent,
  { engineOf }: Pick<Hands, 'engineOf'>,
): Provisioner {
  const { provisioner } = engineOf(intent);
  if (provisioner !== undefined) return provisioner;
  throw new LeafwardError(
    'invalid',
    `${what}: a service of kind ${intent.spec.kind} knows no provisioning; leave it out of the manifest`,
  );
}
