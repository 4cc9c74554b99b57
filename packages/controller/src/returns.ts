// An agent that comes back says what it did; operations that touch its host keep that in their events.
import type { Operation, Report } from '@leafward/shared/gen/domain.js';
import type { Change } from './changes.js';
import type { Fleet } from './fleet.js';
import type { LiveHost } from './live-hosts.js';
import { returnText } from './planning/came-back.js';

/** `before`: the host as it was known until this session. */
export async function tellReturn(fleet: Fleet, before: LiveHost, report: Report): Promise<void> {
  const { name: host, answeredAtMs } = before;
  // Of before a start of this controller it is not known who was away.
  const lastSeenAt = answeredAtMs === undefined ? undefined : before.lastSeenAt;
  if (!fleet.operations().some((operation) => touches(fleet, operation, host))) return;
  const members = Object.fromEntries(
    Object.entries(before.members).map(([member, { value }]) => [member, value]),
  );
  await fleet.transact(({ now, operations }) => {
    const awayMs = lastSeenAt === undefined ? undefined : Math.max(0, now - lastSeenAt);
    const changes = operations
      .filter((operation) => touches(fleet, operation, host))
      .flatMap((operation): readonly Change[] => {
        const text = returnText(operation, { host, awayMs, before: members, report });
        return text === undefined
          ? []
          : [{ kind: 'operation', operation, events: [text], at: now }];
      });
    return { changes, value: undefined };
  });
}

const touches = (fleet: Fleet, { services }: Operation, host: string): boolean =>
  services.some(
    (service) =>
      fleet.services()[service]?.declaration.members.some((one) => one.host === host) === true,
  );
