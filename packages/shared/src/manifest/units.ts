// Durations and sizes as people write them. Pure.

export const DURATION_PATTERN = /^(\d+)(ms|s|m|h|d)$/;
export const SIZE_PATTERN = /^(\d+(?:\.\d+)?)(B|KiB|MiB|GiB|TiB)$/;

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const UNIT_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** "24h" → milliseconds; undefined when it is no duration. */
export function parseDuration(text: string): number | undefined {
  const found = DURATION_PATTERN.exec(text);
  if (found === null) return undefined;
  return Number(found[1]) * (UNIT_MS[found[2] ?? ''] ?? Number.NaN);
}

/** "512MiB" → bytes; undefined when it is no size. */
export function parseSize(text: string): number | undefined {
  const found = SIZE_PATTERN.exec(text);
  if (found === null) return undefined;
  return Math.round(Number(found[1]) * (UNIT_BYTES[found[2] ?? ''] ?? Number.NaN));
}

/** Milliseconds → "24h", "90s", "1m30s": the two largest units that are not zero. */
export function renderDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`;
  const parts: string[] = [];
  let left = Math.round(ms / 1000) * 1000;
  for (const unit of ['d', 'h', 'm', 's']) {
    const size = UNIT_MS[unit] ?? 1;
    const count = Math.floor(left / size);
    if (count > 0) parts.push(`${count}${unit}`);
    left -= count * size;
  }
  return parts.slice(0, 2).join('');
}

/** Bytes → "1.5GiB". */
export function renderSize(sizeBytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB']) {
    const size = UNIT_BYTES[unit] ?? 1;
    if (sizeBytes >= size) return `${Number((sizeBytes / size).toFixed(1))}${unit}`;
  }
  return `${sizeBytes}B`;
}

/** 90000 → "1 min 30 s": as sentences say it; manifests write 1m30s. */
export const spokenDuration = (ms: number): string =>
  renderDuration(ms)
    .replaceAll(/(\d+)([a-z]+)/g, (_, count, unit) => `${count} ${unit === 'm' ? 'min' : unit} `)
    .trimEnd();
