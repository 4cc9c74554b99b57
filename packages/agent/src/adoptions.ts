// Which containers the orders of this host take over. Pure: the order is in the journal, so this is remembered as it is.
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { Adopted } from './runtimes/docker/adoption.js';

export function adoptionsOf(members: readonly MemberIntent[]): readonly Adopted[] {
  return members.flatMap(({ member, spec, adoption }) =>
    adoption === undefined || spec.runtime !== 'docker'
      ? []
      : [{ ...adoption, member, storage: spec.storage }],
  );
}
