// Holds what a booted copy of a backup says of itself against what was recorded when the backup was taken. Pure.
import type { Backup, EngineFact, Image } from '@leafward/shared/gen/domain.js';
import { coerceVersion, isAtLeast } from '../checks/versions.js';

export type Recorded = Pick<Backup, 'iden' | 'version' | 'position'>;

export interface Held {
  readonly image: Pick<Image, 'version'>;
  /** Whether its position is a part of its data; a kind whose positions begin anew at each start has another one. */
  readonly keepsPosition: boolean;
}

/** What keeps it from being the service that it was; none: it is proven. */
export function problemsOf(
  recorded: Recorded,
  fact: EngineFact,
  { image, keepsPosition }: Held,
): readonly string[] {
  return [
    ...ofIdentity(recorded, fact),
    ...ofVersion(recorded, fact, image),
    ...(keepsPosition ? ofPosition(recorded, fact) : []),
    ...ofRole(fact),
  ];
}

/** What still has to change before there is anything to compare; undefined: it is up. */
export function notYetUp(fact: EngineFact): string | undefined {
  if (!fact.answered) return `it does not answer: ${fact.error ?? 'no reason given'}`;
  return ofRole(fact)[0];
}

function ofIdentity({ iden }: Recorded, fact: EngineFact): readonly string[] {
  if (iden === undefined || iden === fact.iden) return [];
  return [
    fact.iden === undefined
      ? `it does not say who it is, and was ${iden} when the backup was taken`
      : `it is ${fact.iden}, and was ${iden} when the backup was taken`,
  ];
}

/** A newer image may run an older backup; an older one that does so may have misread it. */
function ofVersion(
  recorded: Recorded,
  fact: EngineFact,
  image: Pick<Image, 'version'>,
): readonly string[] {
  if (recorded.version === undefined) return [];
  if (fact.version === undefined)
    return [`it does not say its version, and was ${recorded.version}`];
  const [was, is, meant] = [recorded.version, fact.version, image.version].map(coerceVersion);
  if (was === undefined || is === undefined)
    return fact.version === recorded.version
      ? []
      : [`it is of version ${fact.version}, and was of ${recorded.version}`];
  if (!isAtLeast(is, was))
    return [`it is of version ${fact.version}, older than the backup's ${recorded.version}`];
  if (meant !== undefined && is.slice(0, 2).join() !== meant.slice(0, 2).join())
    return [`it is of version ${fact.version}, and its image is of ${image.version ?? ''}`];
  return [];
}

function ofPosition({ position }: Recorded, fact: EngineFact): readonly string[] {
  if (position === undefined) return [];
  if (fact.position === undefined) return [`it does not say its position, and was at ${position}`];
  return fact.position >= position
    ? []
    : [`it is at position ${fact.position}, behind the backup's ${position}`];
}

function ofRole({ active, ready, readOnly }: EngineFact): readonly string[] {
  return [
    ...(active === true ? [] : ['it does not lead, though nobody else is there']),
    ...(ready === false ? ['it says that it is not ready'] : []),
    ...(readOnly === true ? ['it takes no writes'] : []),
  ];
}
