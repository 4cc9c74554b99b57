// What the demo's stories share.
import type { Steps } from './report.js';

export interface DemoContext {
  readonly dir: string;
  /** Everything is left running at the end. */
  readonly isKept: boolean;
  readonly ports: readonly number[];
  readonly say: (line: string) => void;
  readonly step: Steps['step'];
  /** Run in reverse order at the end, whatever happened. */
  readonly cleanups: (() => Promise<void>)[];
}
