// Progress in a few words, at most one a second: nobody reads more, and each is a report.
import type { Clock } from '@leafward/shared/clock.js';
import type { ResticProgress } from './restic-output.js';

const TELL_EVERY_MS = 1000;

export function createTeller(
  verb: string,
  clock: Clock,
  onProgress: (text: string) => void,
): (progress: ResticProgress | undefined) => void {
  let toldAt = -Infinity;
  return (progress) => {
    if (progress === undefined || clock.monotonic() - toldAt < TELL_EVERY_MS) return;
    toldAt = clock.monotonic();
    onProgress(wordsOf(verb, progress));
  };
}

function wordsOf(verb: string, { done, bytesDone, totalBytes }: ResticProgress): string {
  const percent = `${verb} ${Math.floor(Math.min(1, Math.max(0, done)) * 100)} %`;
  if (bytesDone === undefined || totalBytes === undefined) return percent;
  return `${percent} (${gigabytes(bytesDone)} of ${gigabytes(totalBytes)} GB)`;
}

const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(1);
