// What `leafward-controller rebuild` says at its end, as lines and as data. Pure.
import { depthOf } from '@leafward/shared/topology.js';
import { listed } from '../planning/words.js';
import type { RebuildState, ServiceState, Snapshot } from '../snapshot.js';

export interface RebuildResult {
  readonly fleet: string;
  readonly epoch: number;
  readonly store: string;
  /** Where the store went that was there before. */
  readonly aside?: string | undefined;
  readonly isWhole: boolean;
  /** How many hosts must be heard. */
  readonly named: number;
  readonly heard: readonly string[];
  readonly missing: readonly string[];
  readonly gone: RebuildState['gone'];
  readonly services: readonly {
    readonly service: string;
    readonly term: number;
    readonly leader: string;
    readonly mirrors: readonly string[];
    readonly retired: readonly string[];
  }[];
  readonly open: RebuildState['open'];
  readonly notes: readonly string[];
  readonly backups: number;
  /** For the first operator, where there is none. */
  readonly enrolment?: { readonly url: string; readonly expiresAt: number } | undefined;
}

export function resultOf(
  snapshot: Snapshot,
  more: Pick<RebuildResult, 'store' | 'aside' | 'enrolment'>,
): RebuildResult {
  const rebuild = snapshot.rebuild;
  const { hosts = [], heard = [], gone = [], open = {}, notes = [] } = rebuild ?? {};
  return {
    ...more,
    fleet: snapshot.fleet,
    epoch: snapshot.epoch,
    isWhole: rebuild?.endedAt !== undefined,
    named: hosts.length,
    heard,
    missing: hosts.filter((name) => !heard.includes(name) && !gone.some((g) => g.host === name)),
    gone,
    services: Object.keys(snapshot.services)
      .sort()
      .flatMap((name) => {
        const state = snapshot.services[name];
        return state === undefined ? [] : [serviceOf(name, state)];
      }),
    open,
    notes,
    backups: snapshot.backups.length,
  };
}

function serviceOf(service: string, { topology }: ServiceState): RebuildResult['services'][number] {
  const { term, leader, upstreams, retired } = topology;
  return {
    service,
    term,
    leader,
    mirrors: Object.keys(upstreams).sort(
      (a, b) => depthOf(topology, a) - depthOf(topology, b) || (a < b ? -1 : 1),
    ),
    retired: retired.map(({ member }) => member),
  };
}

export function renderResult(result: RebuildResult, stateDir: string): string {
  const { services, open, notes, missing, gone } = result;
  const more = result.isWhole
    ? []
    : [
        ...(services.length + Object.keys(open).length === 0 ? [] : ['']),
        'What is open goes on by itself while the controller runs, as hosts come back.',
      ];
  return [
    result.isWhole
      ? `The store of fleet ${result.fleet} is rebuilt, epoch ${result.epoch}: ${result.store}`
      : `The store of fleet ${result.fleet} is not whole yet, epoch ${result.epoch}: ${result.store}`,
    ...(result.aside === undefined ? [] : [`What was there before: ${result.aside}`]),
    `Heard: ${listed(result.heard)}.${missing.length === 0 ? '' : ` Not heard: ${listed(missing)}.`}`,
    ...gone.map(({ host, reason }) => `Given up: ${host} (${reason}).`),
    ...(result.named > 0
      ? []
      : [
          'Which hosts there are is not known: say --manifest fleet.yaml, or --host NAME for each.',
        ]),
    '',
    ...services.map(serviceLine),
    ...openLines(open),
    ...(notes.length === 0 ? [] : ['', 'Look at:', ...notes.map((note) => `  - ${note}`)]),
    ...more,
    '',
    'Lost with the store: users, revocations of hosts (say --revoke NAME for each), values of secrets, plans,',
    'operations and their events, waivers, the audit.',
    '',
    'Next:',
    `  - leafward-controller run --state-dir ${stateDir}`,
    ...(result.enrolment === undefined ? [] : [`  - leafward enroll ${result.enrolment.url}`]),
  ].join('\n');
}

const openLines = (open: RebuildResult['open']): readonly string[] =>
  Object.entries(open).flatMap(([service, problems]) =>
    problems.flatMap(({ code, message, unblock }) => [
      `  ${service}  open: ${message} [${code}]`,
      `    → ${unblock}`,
    ]),
  );

function serviceLine({ service, term, leader, mirrors, retired }: RebuildResult['services'][0]) {
  const parts = [
    `${leader} leads in term ${term}`,
    ...(mirrors.length === 0 ? [] : [`followed by ${listed(mirrors)}`]),
    ...(retired.length === 0 ? [] : [`retired: ${listed(retired)}`]),
  ];
  return `  ${service}  ${parts.join('; ')}`;
}
