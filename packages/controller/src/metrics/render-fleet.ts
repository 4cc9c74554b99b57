// Everything that a snapshot says, as Prometheus text in pieces. Must never hold the loop up: it rests between
// slices, whatever the size of the fleet.
import type { Snapshot } from '../snapshot.js';
import { AUTOMATIC_FAMILIES, automaticRows } from './automatic-families.js';
import { CERTIFICATE_FAMILIES, certificateRows } from './certificate-families.js';
import { DRILL_FAMILIES, drillRows } from './drill-families.js';
import { DUTY_FAMILIES, dutyRows } from './duty-families.js';
import { headOf, lineOf, type Family, type Row } from './family.js';
import { renderFleet } from './fleet-families.js';
import { hostFamilies, VOLUME_FAMILIES } from './host-families.js';
import { KEEP_FAMILIES, keepRows } from './keep-families.js';
import { MEMBER_FAMILIES, SERVICE_FAMILIES } from './member-families.js';
import { startPace, type Pace } from './pace.js';
import { SPACE_FAMILIES, spaceRows, type SpaceSubject } from './space-families.js';
import type { ProbeHistograms } from './probe-histograms.js';
import { hostRows, memberRows, serviceRows, volumeRows, type MemberSubject } from './rows.js';

/** Samples between two looks at the clock: some 0.1 ms of work. */
const SAMPLES_PER_LOOK = 100;
/** A piece is handed on at this size, so that little is held at once. */
const PIECE_CHARS = 64 * 1024;

export interface Observed {
  readonly probes: ProbeHistograms;
  readonly refusedOrders: ReadonlyMap<string, number>;
}

export async function* renderSnapshot(
  snapshot: Snapshot,
  observed: Observed,
): AsyncGenerator<string, void> {
  const pace = startPace();
  yield renderFleet(snapshot);
  const hosts = hostRows(snapshot);
  const waived = new Set(
    snapshot.waivers
      .filter(({ until }) => until > snapshot.now)
      .map(({ host, check }) => `${host}\0${check}`),
  );
  yield* renderFamilies(hostFamilies(waived, observed.refusedOrders), hosts, pace);
  yield* renderFamilies(VOLUME_FAMILIES, volumeRows(hosts), pace);
  const space: Row<SpaceSubject>[] = [];
  for (const { subject } of hosts) {
    space.push(...spaceRows(snapshot, subject));
    if (pace.isDue()) await pace.rest();
  }
  yield* renderFamilies(SPACE_FAMILIES, space, pace);
  yield* renderProbes(
    observed.probes,
    hosts.map(({ subject }) => subject.name),
    pace,
  );
  yield* renderFamilies(SERVICE_FAMILIES, serviceRows(snapshot), pace);
  yield* renderFamilies(AUTOMATIC_FAMILIES, automaticRows(snapshot), pace);
  yield* renderFamilies(DRILL_FAMILIES, drillRows(snapshot), pace);
  yield* renderFamilies(DUTY_FAMILIES, dutyRows(snapshot), pace);
  yield* renderFamilies(KEEP_FAMILIES, keepRows(snapshot), pace);
  yield* renderFamilies(CERTIFICATE_FAMILIES, certificateRows(snapshot), pace);
  const members: Row<MemberSubject>[] = [];
  for (const service of Object.keys(snapshot.services)) {
    members.push(...memberRows(snapshot, service));
    if (pace.isDue()) await pace.rest();
  }
  yield* renderFamilies(MEMBER_FAMILIES, members, pace);
}

async function* renderFamilies<T>(
  families: readonly Family<T>[],
  rows: readonly Row<T>[],
  pace: Pace,
): AsyncGenerator<string, void> {
  let text = '';
  let samples = 0;
  for (const family of families) {
    text += headOf(family.name, family.help, family.kind);
    for (const { labels, subject } of rows) {
      for (const [more, value] of family.samples(subject))
        text += lineOf(family.name, labels + more, value);
      samples += 1;
      if (samples % SAMPLES_PER_LOOK !== 0) continue;
      if (text.length >= PIECE_CHARS) {
        yield text;
        text = '';
      }
      if (pace.isDue()) await pace.rest();
    }
  }
  yield text;
}

async function* renderProbes(
  probes: ProbeHistograms,
  hosts: readonly string[],
  pace: Pace,
): AsyncGenerator<string, void> {
  probes.keepOnly(new Set(hosts));
  let text = probes.head();
  for (const host of hosts) {
    text += probes.linesOf(host);
    if (text.length >= PIECE_CHARS) {
      yield text;
      text = '';
    }
    if (pace.isDue()) await pace.rest();
  }
  yield text;
}
