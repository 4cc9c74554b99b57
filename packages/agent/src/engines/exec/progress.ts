// What a command says while it works, as an operator's line of progress: seldom, short and without secrets.
import type { Talk } from './run-command.js';

const TELL_EVERY_MS = 500;
const MAX_TEXT = 200;

export function throttled(
  { parts }: Talk,
  onProgress: (text: string) => void,
): (line: string) => void {
  let toldAt = -Infinity;
  return (line) => {
    const now = performance.now();
    if (now - toldAt < TELL_EVERY_MS) return;
    toldAt = now;
    onProgress(parts.redact(line).slice(0, MAX_TEXT));
  };
}
