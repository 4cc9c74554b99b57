// What to expect of an update, as sentences: for the CLI, the audit and the goldens. Pure.
import type { Outlooks, ReleaseNote, ServiceOutlook } from './gen/domain.js';
import { spokenDuration } from './manifest/units.js';

/** Empty where nothing is known beyond what every update is like. */
export function outlookLines(outlooks: Outlooks | undefined): readonly string[] {
  const services = outlooks?.services ?? [];
  return [
    ...services.flatMap(pauses),
    ...services.flatMap(rehearsed),
    ...noted(services, 'migrations').map(
      ({ version, text }) => `${version} migrates by itself: ${text}`,
    ),
    ...noted(services, 'flagDays').map(({ version, text }) => `${version} is a flag day: ${text}`),
    ...services.flatMap(({ deprecations }) =>
      deprecations.map(
        ({ member, deprecation: { text, count } }) =>
          `${member} warns${count === 1 ? '' : `, ${count} times`}: ${text}`,
      ),
    ),
  ];
}

function pauses(outlook: ServiceOutlook): readonly string[] {
  const { service, handOverTo, handOverMs, leaderRestartMs, withoutMirrorMs } = outlook;
  if (handOverTo === undefined) return [];
  const gap =
    handOverMs === undefined
      ? 'how long is not known before it was done once'
      : `about ${spokenDuration(handOverMs)}`;
  const instead =
    leaderRestartMs === undefined
      ? 'instead of while its leader restarts'
      : `instead of about ${spokenDuration(leaderRestartMs)} while its leader restarts`;
  return [
    `writes to ${service} pause while ${handOverTo} takes over, ${gap}, ${instead}`,
    ...(withoutMirrorMs === undefined
      ? []
      : [
          withoutMirrorMs === 0
            ? `a mirror of ${service} replicates all the while`
            : `no mirror of ${service} replicates for about ${spokenDuration(withoutMirrorMs)}`,
        ]),
  ];
}

function rehearsed({ service, rehearsal }: ServiceOutlook): readonly string[] {
  if (rehearsal === undefined) return [];
  const { backup, host, at, ok, readyMs, migrationMs, problem } = rehearsal;
  const when = new Date(at).toISOString().replace(/:\d+\.\d+Z$/, 'Z');
  const copy = `a copy of backup ${backup} of ${service}`;
  return [
    ok
      ? `${copy} was ready ${spokenDuration(readyMs)} after its start with this image, ${spokenDuration(migrationMs)} of it migrating (rehearsed on ${host}, ${when})`
      : `${copy} did not come up with this image: ${problem ?? 'no reason given'} (rehearsed on ${host}, ${when})`,
  ];
}

/** What several services cross is said once. */
function noted(
  services: readonly ServiceOutlook[],
  kind: 'migrations' | 'flagDays',
): readonly ReleaseNote[] {
  const seen = new Set<string>();
  return services
    .flatMap((service) => service[kind])
    .filter(({ version, text }) => {
      const key = `${version} ${text}`;
      const isNew = !seen.has(key);
      seen.add(key);
      return isNew;
    });
}
