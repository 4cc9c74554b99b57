// What a host's agent is told of the services that it has duties of backups for, with the answer to its report: what it
// cannot know by itself. Reads, decides nothing; asked at every report, so it looks at those services only.
import type { Backup, ServiceWord, ServiceWords } from '@leafward/shared/gen/domain.js';
import type { Fleet } from './fleet.js';
import { nameOfBackup } from './planning/database.js';
import { backupsOf } from './planning/gather.js';
import { scheduledRunOf } from './planning/scheduled.js';
import type { ServiceState } from './snapshot.js';

type Known = Pick<Fleet, 'intent' | 'services' | 'operations' | 'backups' | 'host'>;

export function wordsFor(fleet: Known, host: string): ServiceWords | undefined {
  const members = fleet.intent(host)?.members ?? [];
  const names = new Set(
    members.flatMap(({ service, backupDuty }) =>
      backupDuty?.schedule === undefined ? [] : [service],
    ),
  );
  const services = [...names].flatMap((name) => {
    const state = fleet.services()[name];
    return state === undefined ? [] : [wordOf(fleet, name, state)];
  });
  return services.length === 0 ? undefined : { services };
}

function wordOf(
  fleet: Known,
  service: string,
  { declaration, topology }: ServiceState,
): ServiceWord {
  const main = declaration.members.find((member) => member.name === topology.leader);
  const database =
    declaration.shape === 'stack' ? main?.engineOptions['databaseService'] : undefined;
  const held = database === undefined ? [service] : [service, database];
  const operation = fleet
    .operations()
    .find(({ services }) => services.some((name) => held.includes(name)));
  const begun = [
    ...backupsOf(fleet, service).map(({ startedAt }) => startedAt),
    ...running(fleet, declaration),
  ];
  const [dump] = database === undefined ? [] : backupsOf(fleet, database).filter(isSound);
  return {
    service,
    newestBackupAt: begun.length === 0 ? undefined : Math.max(...begun),
    operation: operation?.id,
    databaseBackup: dump === undefined ? undefined : nameOfBackup(dump),
  };
}

const isSound = ({ verification }: Backup): boolean => verification?.ok !== false;

/** When those began that agents have begun by themselves and that are not over. */
const running = (fleet: Known, { members }: ServiceState['declaration']): readonly number[] =>
  members.flatMap(({ name, host }) => {
    const live = fleet.host(host);
    const run = live.session === undefined ? undefined : scheduledRunOf(live.schedule, name);
    return run === undefined ? [] : [run.startedAt];
  });
