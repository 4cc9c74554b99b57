// What a kind of service cannot do, as an objection that names the commands it lacks. Pure.
import { missingFor, type Ability } from '@leafward/shared/manifest/abilities.js';
import { emptyDraft, judge, type Draft } from './draft.js';
import type { ServiceAt } from './gather.js';
import { listed, type Objection } from './words.js';

/** `act`: what was asked for, after "cannot". Empty when one of the abilities is there. */
export function objectToInability(
  service: ServiceAt,
  abilities: readonly Ability[],
  act: string,
): readonly Objection[] {
  const { declaration, name } = service;
  const lacks = abilities.map((ability) => missingFor(ability, declaration));
  if (lacks.some((missing) => missing.length === 0)) return [];
  if (declaration.shape === 'stack')
    return [
      {
        code: 'kind-cannot',
        subject: name,
        message: `${name} is a main process with workers, none of which holds a copy of it: it cannot ${act}`,
        unblock: 'update, deploy, back up or restore it as a whole',
        evidence: [],
      },
    ];
  const commands = lacks.filter((missing) => declaration.exec !== undefined && missing.length > 0);
  return [
    {
      code: 'kind-cannot',
      subject: name,
      message: `${name} is of kind ${declaration.kind}, which cannot ${act}: it has no command ${commands.map(listed).join(', or else ')}`,
      unblock: `describe the command in the manifest, under kinds.${declaration.kind}.commands, deploy, and plan again`,
      evidence: [],
    },
  ];
}

/** A plan that says nothing but that. */
export const unable = (service: string, objections: readonly Objection[]): Draft => ({
  ...emptyDraft,
  services: [service],
  ...judge([{ name: 'kind', passed: '', objections }]),
});
