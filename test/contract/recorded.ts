// The recorded exchanges with real cells: what was sent, what came back, byte by byte.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Packable } from '../standin/pack.js';

export interface Exchange {
  readonly version: string;
  readonly service: string;
  readonly label: string;
  readonly call: RecordedCall;
  readonly sent: Uint8Array;
  readonly received: Uint8Array;
}

export type RecordedCall =
  | readonly [
      'tele:syn',
      {
        readonly auth: readonly [string, object] | null;
        readonly [key: string]: Packable | object;
      },
    ]
  | readonly [
      't2:init',
      {
        readonly todo: readonly [string, Packable[], Record<string, Packable>];
        readonly sess: string;
      },
    ];

/** Compiled tests lie one folder deeper than their sources. */
const FIXTURES = join(import.meta.dirname, '..', '..', 'fixtures', 'telepath');

export const RECORDED_VERSIONS = ['2.113.0', '2.250.0'] as const;
/** In each of the two files. */
export const RECORDED_PER_VERSION = 117;

export function readRecorded(version: string): readonly Exchange[] {
  const lines = readFileSync(join(FIXTURES, `v${version}.jsonl`), 'utf8')
    .trim()
    .split('\n');
  return lines.map((line) => {
    const record = JSON.parse(line) as Record<
      'version' | 'service' | 'label' | 'tx' | 'rx',
      string
    > & {
      call: RecordedCall;
    };
    const { service, label, call } = record;
    const sent = new Uint8Array(Buffer.from(record.tx, 'hex'));
    return {
      version,
      service,
      label,
      call,
      sent,
      received: new Uint8Array(Buffer.from(record.rx, 'hex')),
    };
  });
}
