// Folds the event stream of a pull into one sentence. Pure but for its own state; bounded whatever comes.

/** One line of the stream (POST /images/create). */
export interface PullEvent {
  readonly status?: string;
  readonly id?: string;
  readonly error?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
}

interface Layer {
  readonly status: string;
  readonly currentBytes: number;
  readonly totalBytes: number;
}

/** An image has at most 127 layers; more than this is not an image. */
const MAX_LAYERS = 512;
/** The longest line: a status with a digest is some 200 bytes. */
const MAX_LINE = 64 * 1024;
const ready = new Set(['Pull complete', 'Already exists']);
const local = new Set([
  'Verifying Checksum',
  'Download complete',
  'Extracting',
  'Pull complete',
  'Already exists',
]);

export interface PullProgress {
  /** Takes bytes of the stream; returns the first error that they hold. */
  take(chunk: Buffer): string | undefined;
  /** "3 of 7 layers, 45 of 120 MB"; empty before the first layer. */
  text(): string;
  /** All that is left happens on this host's own disk: silence is then no sign of a lost registry. */
  isUnpacking(): boolean;
}

export function followPull(): PullProgress {
  const layers = new Map<string, Layer>();
  let rest = '';
  const fold = (event: PullEvent): void => {
    const { id, status, progressDetail } = event;
    // "Pulling from …" carries the digest as its id and is no layer.
    if (id === undefined || status === undefined || !/^[0-9a-f]{12}$/.test(id)) return;
    if (!layers.has(id) && layers.size >= MAX_LAYERS) return;
    const known = layers.get(id);
    const isDownload = status === 'Downloading';
    const totalBytes = (isDownload ? progressDetail?.total : undefined) ?? known?.totalBytes ?? 0;
    const currentBytes = isDownload
      ? (progressDetail?.current ?? 0)
      : local.has(status)
        ? totalBytes
        : 0;
    layers.set(id, { status, currentBytes, totalBytes });
  };
  return {
    take: (chunk) => {
      const lines = (rest + chunk.toString('utf8')).split('\n');
      rest = (lines.pop() ?? '').slice(0, MAX_LINE);
      for (const line of lines) {
        const event = parseEvent(line);
        if (event?.error !== undefined) return event.error;
        if (event !== undefined) fold(event);
      }
      return undefined;
    },
    text: () => sentence([...layers.values()]),
    isUnpacking: () =>
      layers.size > 0 && [...layers.values()].every((layer) => local.has(layer.status)),
  };
}

function sentence(layers: readonly Layer[]): string {
  if (layers.length === 0) return '';
  const done = layers.filter((layer) => ready.has(layer.status)).length;
  const sum = (pick: (layer: Layer) => number): string =>
    (layers.reduce((total, layer) => total + pick(layer), 0) / 1e6).toFixed(0);
  const bytes = `${sum((layer) => layer.currentBytes)} of ${sum((layer) => layer.totalBytes)} MB`;
  return `${done} of ${layers.length} layers, ${bytes}`;
}

function parseEvent(line: string): PullEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined; // an empty or cut line says nothing
  }
}
