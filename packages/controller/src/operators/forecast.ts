// The operator's look at the forecast of space: the volumes of one host, of one service, or all of them.
import { LeafwardError } from '@leafward/shared/errors.js';
import type {
  GetForecastResponse,
  RuleForecast as RuleView,
  VolumeForecast as VolumeView,
} from '@leafward/shared/gen/domain.js';
import { forecastHost, servicesOf } from '../planning/index.js';
import type { RuleForecast, VolumeForecast } from '../planning/forecast.js';
import type { Snapshot } from '../snapshot.js';

/** @throws LeafwardError `not-found` for what is neither a host nor a service. */
export function getForecast(snapshot: Snapshot, subject: string | undefined): GetForecastResponse {
  const names = [...Object.keys(snapshot.hosts), ...Object.keys(snapshot.services)].sort();
  if (subject !== undefined && !names.includes(subject))
    throw new LeafwardError(
      'not-found',
      `there is no host or service ${subject}; ${names.length === 0 ? 'there are none yet' : `there are: ${names.join(', ')}`}`,
    );
  const volumes = Object.values(snapshot.hosts)
    .sort((a, b) => a.name.localeCompare(b.name))
    .flatMap((host) => forecastHost(snapshot, host).map((found) => ({ host, found })))
    .filter(
      ({ host, found }) =>
        subject === undefined || host.name === subject || servicesOf(found).includes(subject),
    )
    .map(({ host, found }) => viewOf(found, host.growth?.sampledAt));
  return { now: snapshot.now, volumes };
}

const viewOf = (forecast: VolumeForecast, sampledAt: number | undefined): VolumeView => ({
  host: forecast.host,
  volume: forecast.volume.name,
  paths: forecast.volume.paths,
  services: servicesOf(forecast),
  totalBytes: forecast.volume.totalBytes,
  freeBytes: forecast.volume.freeBytes,
  dataBytes: forecast.dataBytes,
  backupBytes: forecast.backupBytes,
  dataGrowth: forecast.dataGrowth?.rate,
  backupGrowth: forecast.backupGrowth,
  othersGrowth: forecast.othersGrowth?.rate,
  sampledAt,
  rules: forecast.rules.map(ruleView),
});

/** Whole bytes and milliseconds. */
function ruleView({ rule, member, haveBytes, wantedBytes, verdict }: RuleForecast): RuleView {
  const whole = (value: number | undefined) => value && Math.round(value);
  const about = {
    rule,
    verdict: verdict.kind,
    member,
    haveBytes: whole(haveBytes),
    wantedBytes: whole(wantedBytes),
  };
  switch (verdict.kind) {
    case 'broken':
      return about;
    case 'breaks':
      return {
        ...about,
        earliestAt: whole(verdict.earliestAt),
        expectedAt: whole(verdict.expectedAt),
        latestAt: whole(verdict.latestAt),
      };
    case 'beyond':
      return { ...about, earliestAt: whole(verdict.earliestAt) };
    case 'unknown':
      return { ...about, reason: verdict.reason, since: verdict.since };
  }
}
