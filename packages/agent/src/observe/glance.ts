// A look at nothing but whether members still run: quick, whatever a whole look is waiting for meanwhile. Never throws.
import type { ContainerFact, MemberIntent } from '@leafward/shared/gen/domain.js';

export interface GlanceOptions {
  /** Those that this agent left running and does not work on. */
  readonly members: readonly MemberIntent[];
  readonly inspect: (intent: MemberIntent) => Promise<ContainerFact>;
  /** True: it has died, and nobody knew. */
  readonly saw: (intent: MemberIntent, container: ContainerFact, askedAtMs: number) => boolean;
  readonly monotonic: () => number;
  /** As soon as one is known of, while others may still be asked for. */
  readonly onDeath: () => void;
}

export async function glance(options: GlanceOptions): Promise<void> {
  const { members, inspect, saw, monotonic, onDeath } = options;
  await Promise.all(
    members.map(async (intent) => {
      const askedAtMs = monotonic();
      if (saw(intent, await inspect(intent), askedAtMs)) onDeath();
    }),
  );
}
