// A host with one cell whose volume fills, as the controller has sampled it; and another host beside it.
import type { Backup, MemberIntent } from '@leafward/shared/gen/domain.js';
import type { ServiceDeclaration } from '@leafward/shared/manifest/types.js';
import { growthOf, sampleOf } from '@leafward/controller/planning/index.js';
import type { HostState, Snapshot } from '@leafward/controller/snapshot.js';
import { declaration, emptySnapshot, hostState, memberFact } from '../unit/metrics-fixture.js';

export const NOW = Date.UTC(2026, 10, 21, 12, 0, 0);
export const GiB = 2 ** 30;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
export const STORAGE = '/srv/cortex';

type Keep = NonNullable<NonNullable<ServiceDeclaration['backup']['duty']>['keep']>;
export const keeping = (last: number): Keep => ({
  last,
  hourly: 0,
  daily: 0,
  weekly: 0,
  monthly: 0,
  minFreeBytes: 0,
});

export interface Filling {
  /** Days until now, with a sample in each hour. Default 4. */
  readonly days?: number;
  readonly dataPerDay: number;
  readonly othersPerDay?: number;
  /** Now. Default 10 GiB of data, 60 GiB free of 100. */
  readonly dataBytes?: number;
  readonly freeBytes?: number;
  readonly totalBytes?: number;
  readonly backupDirectory?: string;
  /** Free there, where it is a volume of its own that is reported. */
  readonly backupFreeBytes?: number;
  readonly backups?: readonly Backup[];
  readonly keep?: Keep;
}

/** The fleet at a moment, without any growth known. */
export function at(filling: Filling, now: number): Snapshot {
  const days = (now - NOW) / DAY_MS;
  const { dataPerDay, othersPerDay = 0, backupDirectory } = filling;
  const backups = (filling.backups ?? []).filter(({ finishedAt }) => finishedAt <= now);
  const inside = backups.filter(({ path }) => path.startsWith(`${STORAGE}/`));
  const insideBytes = inside.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const dataBytes = (filling.dataBytes ?? 10 * GiB) + days * dataPerDay;
  const later = (filling.backups ?? []).filter(({ finishedAt }) => finishedAt > now);
  const freeBytes =
    (filling.freeBytes ?? 60 * GiB) -
    days * (dataPerDay + othersPerDay) +
    later.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const totalBytes = filling.totalBytes ?? 100 * GiB;
  const volume = (path: string, device: string) => ({
    path,
    device,
    fileSystem: 'ext4',
    totalBytes,
    freeBytes,
  });
  const elsewhere =
    backupDirectory === undefined || filling.backupFreeBytes === undefined
      ? []
      : [{ ...volume(backupDirectory, '/dev/sdc1'), freeBytes: filling.backupFreeBytes }];
  const base = declaration('cortex', { '00.cortex': 'alpha' });
  const service = {
    ...base,
    backup: {
      ...base.backup,
      duty: {
        timeZone: 'UTC',
        jitterMs: 0,
        takeoverMs: 0,
        ...(filling.keep === undefined ? {} : { keep: filling.keep }),
      },
    },
  };
  const storage = { dataBytes: dataBytes + insideBytes, freeBytes, totalBytes };
  const fact = hostState('x').fact;
  if (fact === undefined) throw new Error('the fixture has no fact');
  return {
    ...emptySnapshot,
    now,
    backups,
    services: {
      cortex: {
        declaration: service,
        topology: { service: 'cortex', term: 1, leader: '00.cortex', upstreams: {}, retired: [] },
      },
    },
    hosts: {
      alpha: hostState('alpha', {
        lastSeenAt: now,
        fact: { ...fact, volumes: [volume(STORAGE, '/dev/sda1'), ...elsewhere] },
        members: {
          '00.cortex': { value: memberFact('cortex', '00.cortex', { storage }), receivedAt: now },
        },
        intent: {
          host: 'alpha',
          generation: 1,
          epoch: 1,
          members: [intentOf(backupDirectory)],
        },
      }),
      bravo: hostState('bravo', {
        lastSeenAt: now,
        fact: { ...fact, volumes: [volume('/srv/other', '/dev/sdb1')] },
      }),
    },
  };
}

const intentOf = (backupDirectory: string | undefined): MemberIntent =>
  ({
    member: '00.cortex',
    service: 'cortex',
    run: 'running',
    spec: {
      kind: 'synapse',
      storage: STORAGE,
      image: { reference: 'cortex', digest: 'sha256:a' },
      ...(backupDirectory === undefined ? {} : { backupDirectory }),
    },
  }) as unknown as MemberIntent;

/** What the controller would have sampled, once an hour until now. */
export function growthAfter(filling: Filling, snapshots = hourly(filling)): HostState['growth'] {
  return growthOf(
    snapshots.flatMap((snapshot) => {
      const host = snapshot.hosts['alpha'];
      return (host && sampleOf(snapshot, host, snapshot.now)) ?? [];
    }),
  );
}

export const hourly = (filling: Filling): readonly Snapshot[] =>
  Array.from({ length: (filling.days ?? 4) * 24 + 1 }, (_, hour) =>
    at(filling, NOW - (filling.days ?? 4) * DAY_MS + hour * HOUR_MS),
  );

/** The fleet now, with what the samples say of growth. */
export function growing(filling: Filling): Snapshot {
  return withGrowth(at(filling, NOW), growthAfter(filling));
}

export function withGrowth(snapshot: Snapshot, growth: HostState['growth']): Snapshot {
  const alpha = snapshot.hosts['alpha'];
  if (alpha === undefined) throw new Error('no host alpha');
  return { ...snapshot, hosts: { ...snapshot.hosts, alpha: { ...alpha, growth } } };
}

export const backup = (name: string, ageMs: number, over: Partial<Backup> = {}): Backup => ({
  name,
  service: 'cortex',
  member: '00.cortex',
  host: 'alpha',
  path: `${STORAGE}/backups/${name}`,
  sizeBytes: 5 * GiB,
  files: 1,
  term: 1,
  startedAt: NOW - ageMs,
  finishedAt: NOW - ageMs,
  manifestSha256: 'a',
  ...over,
});
