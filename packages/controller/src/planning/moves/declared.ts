// The declaration that a service gets by an operation: committed with the first move that acts on it, so that an
// operation that is aborted before has changed nothing. Pure.
import type { Operation } from '@leafward/shared/gen/domain.js';
import { parseManifest } from '@leafward/shared/manifest/parse.js';
import type { ServiceDeclaration } from '@leafward/shared/manifest/types.js';
import { canonicalJson } from '@leafward/shared/spec-digest.js';
import type { Snapshot } from '../../snapshot.js';
import type { Effect } from '../effects.js';

export function declarationBy(
  operation: Operation,
  snapshot: Snapshot,
  service: string,
): ServiceDeclaration | undefined {
  const now = snapshot.services[service]?.declaration;
  const { goal } = operation;
  if (goal.kind === 'update') return now && { ...now, image: goal.image };
  if (goal.kind === 'restore') return now && { ...now, image: goal.image ?? now.image };
  if (goal.kind === 'fleet-update') {
    const own = goal.updates.find((update) => update.service === service);
    return now && own && { ...now, image: own.image };
  }
  if (goal.kind !== 'deploy') return now;
  const parsed = parseManifest(goal.manifest);
  const wanted = parsed.ok
    ? parsed.manifest.services.find((declared) => declared.name === service)
    : undefined;
  if (wanted === undefined) return now;
  return { ...wanted, image: imageBy(operation, service) ?? now?.image ?? wanted.image };
}

/** The plan decided which image counts: the manifest's, or what an update has brought since. */
function imageBy(operation: Operation, service: string): string | undefined {
  for (const move of operation.moves) {
    if (move.service !== service) continue;
    if (move.kind === 'recreate') return move.spec.image.reference;
    if (move.kind === 'place' && move.cause.startsWith('new,'))
      return move.intent.spec.image.reference;
  }
  return undefined;
}

/** Empty when the store has it already. */
export function declare(
  operation: Operation,
  snapshot: Snapshot,
  service: string,
): readonly Effect[] {
  const wanted = declarationBy(operation, snapshot, service);
  const now = snapshot.services[service]?.declaration;
  if (wanted === undefined || (now !== undefined && canonicalJson(now) === canonicalJson(wanted)))
    return [];
  return [{ kind: 'set-service', declaration: wanted }];
}
