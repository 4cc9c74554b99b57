// How far the provisioning of a member's storage is, from its marker, its files and what runs. Reads only.
import type {
  ContainerFact,
  EngineFact,
  MemberIntent,
  Provisioning,
} from '@leafward/shared/gen/domain.js';
import { within } from '../checks/single-flight.js';
import { engineMember } from '../engines/engine-member.js';
import type { Engine } from '../engines/engine.js';
import type { Backoff } from '../plan/observed.js';
import { mayRun } from '../plan/stopped.js';
import type { MarkerReading } from '../marker.js';

export interface ProvisioningLook {
  readonly intent: MemberIntent;
  readonly container: ContainerFact;
  readonly engine: EngineFact;
  readonly marker: MarkerReading;
  readonly backoff: Backoff;
  readonly isEmpty: boolean | undefined;
}

const READ_MS = 2000;
/** A registry that restarts is back by then; a used URL never works again. */
const STARTS_WITHOUT_A_PLACE = 3;

/** Undefined: its order asks for none, or nobody could look. Never throws. */
export async function observeProvisioning(
  look: ProvisioningLook,
  { provisioner }: Pick<Engine, 'provisioner'>,
): Promise<Provisioning | undefined> {
  const { intent, marker, isEmpty } = look;
  if (intent.provision === undefined || marker.kind === 'unreadable') return undefined;
  if (isBeingFilled(look)) return undefined;
  const open = marker.kind === 'found' ? marker.marker.provisioning : undefined;
  if (open === undefined) return isEmpty === true ? 'needed' : 'done';
  if (mayRun(look.container.state)) return 'begun';
  if (open.broken) return 'broken';
  if (provisioner === undefined) return undefined;
  const reading = provisioner.read(engineMember(intent));
  const what = `how far ${intent.member} is provisioned`;
  const files = await within(reading, { what, deadlineMs: READ_MS }).catch(() => undefined);
  if (files === undefined) return undefined;
  if (isBroken(look, files.provisioned)) return 'broken';
  return files.provisioned || files.offered ? 'offered' : 'needed';
}

/** Empty for a moment, and then somebody's copy: an order to fill it is not carried out to its end yet. */
function isBeingFilled({ intent, marker }: ProvisioningLook): boolean {
  const found = marker.kind === 'found' ? marker.marker : undefined;
  const isDone = intent.reseed === undefined || found?.reseeded === intent.reseed.id;
  return found?.seeding !== undefined || !isDone;
}

/**
 * A mirror that ended between its certificates and its first answer has half of its upstream's files, and with them its
 * upstream's name: it never goes on from there, and must not. A leader with its certificates only starts again.
 */
function isBroken({ intent, backoff }: ProvisioningLook, provisioned: boolean): boolean {
  if (provisioned) return intent.role === 'mirror';
  return backoff.cause === 'exit' && backoff.failures >= STARTS_WITHOUT_A_PLACE;
}
