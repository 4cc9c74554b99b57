// The forecast of space as series: how long until a rule of a volume breaks, and how fast what lies on it grows. No series
// where nothing is known, or where it is not within a year.
import { forecastHost } from '../planning/index.js';
import type { RuleForecast, VolumeForecast } from '../planning/forecast.js';
import type { HostState, Snapshot } from '../snapshot.js';
import { gauge, labelText, type Family, type Row, type Sample } from './family.js';

export interface SpaceSubject {
  readonly forecast: VolumeForecast;
  readonly now: number;
}

/** Rows of one host; none before its growth was ever measured. */
export function spaceRows(snapshot: Snapshot, host: HostState): readonly Row<SpaceSubject>[] {
  if (host.growth === undefined) return [];
  return forecastHost(snapshot, host).map((forecast) => ({
    labels: labelText({ host: host.name, volume: forecast.volume.name }),
    subject: { forecast, now: snapshot.now },
  }));
}

const RULE_LABELS: Readonly<Record<RuleForecast['rule'], string>> = {
  backup: `,${labelText({ rule: 'backup' })}`,
  half: `,${labelText({ rule: 'half' })}`,
  boot: `,${labelText({ rule: 'boot' })}`,
};

const GROWTH_LABELS = {
  data: `,${labelText({ of: 'data' })}`,
  backups: `,${labelText({ of: 'backups' })}`,
  others: `,${labelText({ of: 'others' })}`,
};

const DAY_SECONDS = 86_400;

export const SPACE_FAMILIES: readonly Family<SpaceSubject>[] = [
  {
    name: 'leafward_forecast_seconds_until_rule_breaks',
    help: 'Time until a rule on the space of the volume breaks; 0: it is broken. Missing: not known, or not within a year.',
    kind: 'gauge',
    samples: (subject) => untilSamples(subject, 'expectedAt'),
  },
  {
    name: 'leafward_forecast_earliest_seconds_until_rule_breaks',
    help: 'The same if it grows as fast as it may, by nine tenths of probability.',
    kind: 'gauge',
    samples: (subject) => untilSamples(subject, 'earliestAt'),
  },
  {
    name: 'leafward_volume_growth_bytes_per_second',
    help: 'How fast data, kept backups and everything else on the volume grow.',
    kind: 'gauge',
    samples: ({ forecast }) => growthSamples(forecast),
  },
  gauge(
    'leafward_volume_data_bytes',
    'Data of services on the volume, without their kept backups.',
    ({ forecast }) => forecast.dataBytes,
  ),
  gauge(
    'leafward_volume_backup_bytes',
    'Kept backups on the volume.',
    ({ forecast }) => forecast.backupBytes,
  ),
];

function untilSamples(
  { forecast, now }: SpaceSubject,
  which: 'expectedAt' | 'earliestAt',
): readonly Sample[] {
  return forecast.rules.flatMap(({ rule, verdict }): readonly Sample[] => {
    if (verdict.kind === 'broken') return [[RULE_LABELS[rule], 0]];
    const at =
      verdict.kind === 'breaks'
        ? verdict[which]
        : verdict.kind === 'beyond' && which === 'earliestAt'
          ? verdict.earliestAt
          : undefined;
    return at === undefined ? [] : [[RULE_LABELS[rule], Math.max(0, at - now) / 1000]];
  });
}

function growthSamples({
  dataGrowth,
  backupGrowth,
  othersGrowth,
}: VolumeForecast): readonly Sample[] {
  const rates = { data: dataGrowth?.rate, backups: backupGrowth, others: othersGrowth?.rate };
  return (['data', 'backups', 'others'] as const).flatMap((of): readonly Sample[] => {
    const rate = rates[of];
    return rate === undefined ? [] : [[GROWTH_LABELS[of], rate.bytesPerDay / DAY_SECONDS]];
  });
}
