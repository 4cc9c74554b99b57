// Findings, tuning and waivers as operators order them.
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type {
  FindingView,
  GetFindingsRequest,
  GetFindingsResponse,
  Outcome,
  TuneHostRequest,
  WaiveRequest,
  Waiver,
} from '@leafward/shared/gen/domain.js';
import type { Fleet } from '../fleet.js';
import { askHost } from '../images.js';
import { forecastFindings } from '../planning/index.js';
import type { Snapshot } from '../snapshot.js';
import type { Operator } from './access.js';

const CHECK_MS = 25_000; // every check has its own deadline well below this
const TUNE_MS = 15_000;
const LONGEST_WAIVER_MS = 366 * 24 * 3_600_000;

export async function getFindings(
  fleet: Fleet,
  clock: Clock,
  request: GetFindingsRequest,
): Promise<GetFindingsResponse> {
  const wanted = hostNames(fleet.snapshot(), request.host);
  const silent: string[] = [];
  if (request.refresh)
    await Promise.all(
      wanted.map(async (host) => {
        try {
          await askHost(fleet, clock, {
            host,
            what: `check host ${host}`,
            timeoutMs: CHECK_MS,
            act: { kind: 'check-host' },
          });
        } catch (error) {
          if (!(error instanceof LeafwardError)) throw error;
          silent.push(error.text);
        }
      }),
    );
  const snapshot = fleet.snapshot();
  const findings = wanted.flatMap((host) => findingsOf(snapshot, host));
  return { findings, silent: silent.sort() };
}

/** A host's findings, each with the waiver that covers it. */
export function findingsOf(snapshot: Snapshot, host: string): readonly FindingView[] {
  const state = snapshot.hosts[host];
  if (state === undefined) return [];
  return [...state.findings, ...forecastFindings(snapshot, state)].map((finding) => ({
    host,
    finding,
    waiver: snapshot.waivers.find((w) => w.host === host && w.check === finding.check),
  }));
}

export async function tuneHost(
  fleet: Fleet,
  clock: Clock,
  request: TuneHostRequest,
): Promise<Outcome> {
  hostNames(fleet.snapshot(), request.host);
  const { host, checks, undo, dryRun } = request;
  return askHost(fleet, clock, {
    host,
    what: `${undo ? 'undo the tuning of' : 'tune'} host ${host}`,
    timeoutMs: TUNE_MS,
    act: { kind: 'tune-host', checks, undo, dryRun },
  });
}

export function waive(fleet: Fleet, request: WaiveRequest, by: Operator): Promise<Waiver> {
  return fleet.transact((snapshot) => {
    hostNames(snapshot, request.host);
    const what = `waive ${request.check} on host ${request.host}`;
    if (request.reason.trim() === '')
      throw new LeafwardError('invalid', `${what}: say why, with --reason`);
    if (request.until <= snapshot.now || request.until > snapshot.now + LONGEST_WAIVER_MS)
      throw new LeafwardError(
        'invalid',
        `${what}: --until must be in the future and within a year`,
      );
    const known = new Set(findingsOf(snapshot, request.host).map(({ finding }) => finding.check));
    if (known.size > 0 && !known.has(request.check))
      throw new LeafwardError(
        'not-found',
        `${what}: no such check; there are: ${[...known].sort().join(', ')}`,
      );
    const waiver: Waiver = { ...request, madeBy: by.name, madeAt: snapshot.now };
    return { changes: [{ kind: 'waiver', waiver }], value: waiver };
  });
}

export function endWaiver(
  fleet: Fleet,
  request: { readonly host: string; readonly check: string },
): Promise<void> {
  return fleet.transact((snapshot) => {
    const exists = snapshot.waivers.some(
      (w) => w.host === request.host && w.check === request.check,
    );
    if (!exists)
      throw new LeafwardError(
        'not-found',
        `end the waiver of ${request.check} on host ${request.host}: there is none`,
      );
    return { changes: [{ kind: 'end-waiver', ...request }], value: undefined };
  });
}

/** @throws LeafwardError `not-found` for a host that was never enrolled or declared. */
function hostNames(snapshot: Snapshot, host: string | undefined): readonly string[] {
  const known = Object.keys(snapshot.hosts).sort();
  if (host === undefined) return known;
  if (known.includes(host)) return [host];
  throw new LeafwardError(
    'not-found',
    `there is no host ${host}; ${known.length === 0 ? 'none is enrolled yet: leafward host invite NAME' : `there are: ${known.join(', ')}`}`,
  );
}
