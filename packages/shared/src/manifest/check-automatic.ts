// What a failover that acts alone needs of its service: somebody who can take over, and witnesses who can ask the
// leader. Pure; tells with paths.
import { missingFor } from './abilities.js';
import { hasPart } from './check-kind-of.js';
import type { Tell } from './complete.js';
import type { Path } from './locate.js';
import { placeholdersIn, portOf } from './placeholders.js';
import type { ServiceDeclaration } from './types.js';
import { renderDuration } from './units.js';

/** Less is no time for a report and its answer; more keeps a service down that a start would bring back. */
const RESTART_AFTER = { leastMs: 1000, mostMs: 600_000 };

export function checkAutomatic(service: ServiceDeclaration, tell: Tell): void {
  const { mode, isolation, restartAfterMs = RESTART_AFTER.leastMs } = service.failover;
  // A stack has no failover at all, which is told where its keys are checked.
  if (mode !== 'automatic' || service.shape === 'stack') return;
  const at: Path = ['services', service.name, 'failover'];
  if (service.members.length === 1)
    tell([...at, 'mode'], `${service.name} has one member: nobody could take over`);
  const lacks = missingFor('promote-by-force', service);
  if (lacks.length > 0)
    tell(
      [...at, 'mode'],
      `kind ${service.kind} cannot be failed over: it lacks the command ${lacks.join(', ')}`,
    );
  if (restartAfterMs < RESTART_AFTER.leastMs || restartAfterMs > RESTART_AFTER.mostMs)
    tell(
      [...at, 'restartAfter'],
      `a leader that died is left to the controller for ${renderDuration(RESTART_AFTER.leastMs)} to ${renderDuration(RESTART_AFTER.mostMs)}`,
    );
  // With `keep` only the leader's own agent is believed, and nobody is asked.
  if (isolation.onIsolation === 'stop') checkWitnesses(service, at, tell);
}

function checkWitnesses(service: ServiceDeclaration, at: Path, tell: Tell): void {
  const lacks = missingFor('witness', service);
  if (lacks.length > 0) {
    tell(
      [...at, 'mode'],
      `with onIsolation: stop others must be able to ask a silent leader, and kind ${service.kind} lacks the command ${lacks.join(', ')}: add it, or say onIsolation: keep`,
    );
    return;
  }
  if (new Set(service.members.map(({ host }) => host)).size === 1 && service.members.length > 1)
    tell(
      [...at, 'mode'],
      'with onIsolation: stop a member on another host must be able to ask a silent leader, and all are on one',
    );
  const deaf = service.members.find(({ probeUrl }) => !canBeAsked(service, probeUrl ?? ''));
  if (deaf !== undefined)
    tell(
      [...at, 'probe'],
      `nobody can ask ${deaf.name} under ${deaf.probeUrl === '' ? 'an empty URL' : (deaf.probeUrl ?? '')} whether it answers: say where, for example "tcp://{address}:{port.telepath}"`,
    );
}

/** A name service may still name whoever led before, and a socket is on the leader's own host. */
function canBeAsked(service: ServiceDeclaration, url: string): boolean {
  if (service.exec === undefined) return /^(tcp|ssl):\/\/[^/]/.test(url);
  const { steps = [] } = service.exec.commands['answers'] ?? {};
  return placeholdersIn(steps.flatMap(({ run }) => run)).every(
    (placeholder) =>
      portOf(placeholder) !== undefined ||
      (placeholder === 'upstreamUrl' ? url !== '' : hasPart(url, placeholder)),
  );
}
