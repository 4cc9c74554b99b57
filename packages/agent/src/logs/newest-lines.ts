// The newest lines of a past that is read from its beginning: not more of them than are wanted, nor more than there is
// room for, since an operator may ask for many long ones of many members at once.
import type { OutputLine } from './member-output.js';

/** Of one member: ten thousand lines as programs write them, and a hundred of the longest. */
const MOST_CHARS = 8 * 1024 * 1024;

export interface NewestLines {
  push(line: OutputLine): void;
  /** Oldest first. */
  lines(): readonly OutputLine[];
  /** True: there was no room for all that are wanted. */
  isCut(): boolean;
}

export function newestLines(maxLines: number): NewestLines {
  let kept: OutputLine[] = [];
  let first = 0;
  let chars = 0;
  let wasFull = false;
  return {
    push(line) {
      kept.push(line);
      chars += line.text.length;
      for (; kept.length - first > maxLines || chars > MOST_CHARS; first += 1) {
        wasFull ||= chars > MOST_CHARS;
        chars -= kept[first]?.text.length ?? 0;
      }
      // Many are given up together: to move all the others up costs as much as there are.
      if (first * 2 < kept.length) return;
      kept = kept.slice(first);
      first = 0;
    },
    lines: () => kept.slice(first),
    isCut: () => wasFull && kept.length - first < maxLines,
  };
}
