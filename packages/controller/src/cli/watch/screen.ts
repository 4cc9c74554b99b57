// Redraws a block of text in place on a terminal. Must never scroll what was there before it.
import { clip } from '../render/text.js';
import type { Terminal } from '../context.js';

export interface Screen {
  draw(text: string): void;
  /** The last drawing stays; what follows begins below it. */
  leave(): void;
}

const CURSOR_OFF = '\x1b[?25l';
const CURSOR_ON = '\x1b[?25h';
const ERASE_BELOW = '\x1b[J';

export function openScreen(terminal: Terminal): Screen {
  let drawn = 0;
  terminal.write(CURSOR_OFF);
  return {
    draw(text) {
      const size = terminal.size() ?? { columns: 80, rows: 24 };
      const lines = fit(text.split('\n'), size);
      const back = drawn === 0 ? '' : `\x1b[${drawn}A`;
      terminal.write(`${back}\r${ERASE_BELOW}${lines.map((line) => `${line}\n`).join('')}`);
      drawn = lines.length;
    },
    leave() {
      terminal.write(CURSOR_ON);
    },
  };
}

/** Cut to the size: a line that wraps or scrolls would put the next drawing in the wrong place. */
function fit(
  lines: readonly string[],
  size: { readonly columns: number; readonly rows: number },
): readonly string[] {
  const room = Math.max(1, size.rows - 1);
  const cut =
    lines.length <= room
      ? lines
      : [...lines.slice(0, room - 1), `… ${lines.length - room + 1} lines more`];
  return cut.map((line) => clip(line, size.columns));
}
