// The few lines of a homeserver's metrics that say what it is and who is connected. Pure. The port answers 200 on
// any path, so only the text itself tells whether a homeserver is behind it.

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ProcessMetrics {
  /** Undefined: the text is not a homeserver's. */
  readonly version: string | undefined;
  /** Main: connected workers. A worker: 1 or 0. */
  readonly connections: number | undefined;
  /** Main: names of the connected workers; several connections may have one name. */
  readonly connected: readonly string[];
  /** Main: how far the slowest consumer of events is behind what was persisted. */
  readonly eventLag: number | undefined;
}

const BUILD = 'synapse_build_info';
const CONNECTIONS = 'synapse_replication_tcp_resource_total_connections';
const PENDING = 'synapse_replication_tcp_protocol_pending_commands';
const PERSISTED = 'synapse_event_persisted_position';
const PROCESSED = 'synapse_event_processing_positions';
const WANTED = new Set([BUILD, CONNECTIONS, PENDING, PERSISTED, PROCESSED]);

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** Samples of these names, in the text's order. What is no sample is passed over. */
export function samplesIn(text: string, names: ReadonlySet<string>): readonly Sample[] {
  return text.split('\n').flatMap((line) => {
    const [, name, labels = '', value] = LINE.exec(line) ?? [];
    if (name === undefined || !names.has(name)) return [];
    const number = Number(value);
    return Number.isFinite(number) ? [{ name, labels: labelsIn(labels), value: number }] : [];
  });
}

function labelsIn(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...text.matchAll(LABEL)].map(([, key = '', value = '']) => [
      key,
      value.replaceAll(/\\(.)/g, (_, one: string) => (one === 'n' ? '\n' : one)),
    ]),
  );
}

export function readMetrics(text: string): ProcessMetrics {
  const samples = samplesIn(text, WANTED);
  const of = (name: string): readonly Sample[] => samples.filter((sample) => sample.name === name);
  const persisted = of(PERSISTED)[0]?.value;
  const processed = of(PROCESSED).map(({ value }) => value);
  return {
    version: versionIn(of(BUILD)[0]?.labels['version']),
    connections: of(CONNECTIONS)[0]?.value,
    connected: of(PENDING).flatMap(({ labels }) => labels['name'] ?? []),
    eventLag:
      persisted === undefined || processed.length === 0
        ? undefined
        : Math.max(0, persisted - Math.min(...processed)),
  };
}

/** A build of one's own says more than the version: "1.66.0 (b=main,a1b2c3)". */
function versionIn(text: string | undefined): string | undefined {
  return text === undefined ? undefined : /\d+\.\d+\.\d+(?:rc\d+)?/.exec(text)?.[0];
}
