// Has agents look at the containers that a deploy is to take over. A host that cannot say it is left out: the plan
// then says what is missing.
import type { Clock } from '@leafward/shared/clock.js';
import { isAbort, LeafwardError } from '@leafward/shared/errors.js';
import type { Goal, MemberLook } from '@leafward/shared/gen/domain.js';
import { parseManifest } from '@leafward/shared/manifest/parse.js';
import type { Images } from './changes.js';
import type { Fleet } from './fleet.js';
import { askHost } from './images.js';
import { looksNeeded } from './planning/index.js';

const LOOK_MS = 20_000; // an inspection and a few answers of a cell; one that hangs is said, not waited for

/** The goal with what was seen; never with what an operator sent along. */
export async function withLooks(
  fleet: Fleet,
  clock: Clock,
  goal: Goal,
  images: Images,
): Promise<Goal> {
  if (goal.kind !== 'deploy') return goal;
  const parsed = parseManifest(goal.manifest);
  const services = parsed.ok ? parsed.manifest.services : [];
  const looks = await Promise.all(
    looksNeeded(fleet.snapshot(), services, images).map(
      async ({ host, wanted }): Promise<readonly MemberLook[]> => {
        const what = `look at container ${wanted.adoption?.container ?? ''} on host ${host}`;
        try {
          const act = { kind: 'look-at-container', wanted } as const;
          const { look } = await askHost(fleet, clock, { host, what, timeoutMs: LOOK_MS, act });
          return look === undefined ? [] : [{ member: wanted.member, look }];
        } catch (error) {
          if (!(error instanceof LeafwardError) || isAbort(error)) throw error;
          return [];
        }
      },
    ),
  );
  const found = looks.flat();
  return { ...goal, looks: found.length === 0 ? undefined : { looks: found } };
}
