// What the forecast of space means to an operator: findings of a host, and sentences for the status and for plans. Pure.
import type { Evidence, Finding, Severity, SpaceRule } from '@leafward/shared/gen/domain.js';
import type { HostState, Snapshot } from '../snapshot.js';
import { forecastHost, type RuleForecast, type VolumeForecast } from './forecast.js';
import { SPACE_CRITICAL_MS, SPACE_WARNING_MS } from './thresholds.js';
import { evidence, renderDuration, renderSize } from './words.js';

/** As an operator waives it. */
export const SPACE_CHECK = 'space-forecast';

export const RULE_NAMES: Readonly<Record<SpaceRule, string>> = {
  backup: 'backup rule',
  half: '50 % rule',
  boot: 'boot limit',
};

const CONSEQUENCES: Readonly<Record<SpaceRule, string>> = {
  backup: 'no further backup fits, and without one there is no update',
  half: 'services take more than half of the volume, so that a backup may not fit beside them',
  boot: 'services on it take no writes any more and do not start again',
};

const FIXES: Readonly<Record<SpaceRule, string>> = {
  backup: 'make the volume larger, keep fewer backups there, or give backups a volume of their own',
  half: 'make the volume larger, or give backups a volume of their own',
  boot: 'make the volume larger, or take what is no data of the service away from it',
};

/**
 * Rules that break within a fortnight, or are broken where growth was measured; of all others the agent's own checks
 * tell. `service`: only of volumes that it is on.
 */
export function forecastFindings(
  snapshot: Snapshot,
  host: HostState,
  service?: string,
): readonly Finding[] {
  return forecastsOf(snapshot, host, service).flatMap((forecast) =>
    forecast.rules.flatMap((rule) => findingOf(snapshot.now, host, forecast, rule) ?? []),
  );
}

/** Of a service only the volumes that it is on. None before growth was ever measured. */
function forecastsOf(
  snapshot: Snapshot,
  host: HostState,
  service: string | undefined,
): readonly VolumeForecast[] {
  if (host.growth === undefined) return [];
  return forecastHost(snapshot, host).filter(
    (forecast) => service === undefined || servicesOf(forecast).includes(service),
  );
}

/** A host's findings of this kind in sentences; none when they were waived. */
export function forecastProblems(
  snapshot: Snapshot,
  host: string,
  findings: readonly Finding[],
): readonly string[] {
  if (findings.length === 0 || isWaived(snapshot, host)) return [];
  return findings.map(
    ({ subject, severity, seen }) =>
      `${severity === 'critical' ? 'space runs out' : 'space will run out'} on ${subject}: ${seen}`,
  );
}

const isWaived = ({ waivers, now }: Snapshot, host: string): boolean =>
  waivers.some((one) => one.host === host && one.check === SPACE_CHECK && one.until > now);

function findingOf(
  now: number,
  host: HostState,
  forecast: VolumeForecast,
  rule: RuleForecast,
): Finding | undefined {
  const severity = severityOf(now, rule);
  if (severity === undefined) return undefined;
  return {
    check: SPACE_CHECK,
    subject: forecast.volume.name,
    severity,
    seen: `${outlookOf(now, rule)}; ${figuresOf(rule)}${growthOf(forecast)}`,
    wanted: `no rule breaks within ${renderDuration(SPACE_WARNING_MS)}`,
    why: `when the ${RULE_NAMES[rule.rule]} breaks, ${CONSEQUENCES[rule.rule]}`,
    fix: FIXES[rule.rule],
    fixable: false,
    seenAt: host.lastSeenAt ?? now,
    source: 'growth as the controller has measured it',
  };
}

/** Undefined: nothing to say of it. */
export function severityOf(now: number, { verdict }: RuleForecast): Severity | undefined {
  if (verdict.kind === 'broken') return 'critical';
  if (verdict.kind !== 'breaks') return undefined;
  const leftMs = verdict.expectedAt - now;
  if (leftMs > SPACE_WARNING_MS) return undefined;
  return leftMs > SPACE_CRITICAL_MS ? 'warning' : 'critical';
}

/** the backup rule breaks for 00.cortex in about 9 d (between 7 d and 12 d) */
export function outlookOf(now: number, { rule, member, verdict }: RuleForecast): string {
  const about = `the ${RULE_NAMES[rule]}${member === undefined ? '' : ` of ${member}`}`;
  const until = (at: number): string => roughly(at - now);
  switch (verdict.kind) {
    case 'broken':
      return `${about} is broken now`;
    case 'breaks': {
      const latest = verdict.latestAt === undefined ? 'more than a year' : until(verdict.latestAt);
      return `${about} breaks in about ${until(verdict.expectedAt)} (between ${until(verdict.earliestAt)} and ${latest})`;
    }
    case 'beyond':
      return `${about} does not break within a year${verdict.earliestAt === undefined ? '' : `, or in ${until(verdict.earliestAt)} at the earliest`}`;
    case 'unknown':
      return `when ${about} breaks is not known: ${verdict.reason}`;
  }
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Nobody can say it to the minute. */
function roughly(ms: number): string {
  if (ms < HOUR_MS) return 'an hour';
  const unit = ms < 2 * DAY_MS ? HOUR_MS : DAY_MS;
  return renderDuration(Math.round(ms / unit) * unit);
}

function figuresOf({ rule, haveBytes, wantedBytes }: RuleForecast): string {
  if (haveBytes === undefined || wantedBytes === undefined) return 'figures are not known';
  const [have, wanted] = [renderSize(haveBytes), renderSize(wantedBytes)];
  return rule === 'half'
    ? `services take ${have}, ${wanted} is half of the volume`
    : `${have} are free, ${wanted} are needed`;
}

function growthOf({ dataGrowth, backupGrowth }: VolumeForecast): string {
  const said = [
    ['data', dataGrowth?.rate?.bytesPerDay],
    ['backups', backupGrowth?.bytesPerDay],
  ] as const;
  return said
    .flatMap(([what, perDay]) =>
      perDay === undefined || perDay <= 0 ? [] : `, ${what} grow by ${renderSize(perDay)} a day`,
    )
    .join('');
}

/** What is to be said of each volume, and nothing three times; `service`: only of volumes that it is on. */
export function forecastFacts(
  snapshot: Snapshot,
  host: HostState,
  service?: string,
): readonly Evidence[] {
  const where = service === undefined ? '' : ` of ${host.name}`;
  const seen = { seenAt: host.growth?.sampledAt };
  return forecastsOf(snapshot, host, service).flatMap(({ volume, rules }) => {
    const together = togetherOf(rules);
    if (together !== undefined)
      return [evidence(`space on ${volume.name}${where}`, together, seen)];
    return rules.map((rule) =>
      evidence(
        `${RULE_NAMES[rule.rule]} on ${volume.name}${where}`,
        outlookOf(snapshot.now, rule),
        seen,
      ),
    );
  });
}

/** Where all rules have the same to say. */
function togetherOf(rules: readonly RuleForecast[]): string | undefined {
  const said = rules.map(({ verdict }) => {
    if (verdict.kind === 'unknown') return `when its rules break is not known: ${verdict.reason}`;
    const isFine = verdict.kind === 'beyond' && verdict.earliestAt === undefined;
    return isFine ? 'no rule breaks within a year' : undefined;
  });
  return said.every((one) => one === said[0]) ? said[0] : undefined;
}

/** Whose data or backups lie there. */
export const servicesOf = ({ volume }: VolumeForecast): readonly string[] =>
  [...new Set([...volume.rooms, ...volume.kept].map(({ service }) => service))].sort();
