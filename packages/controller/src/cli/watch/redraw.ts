// Draws the newest item on a terminal, again every second so that its times run on.
import type { Clock } from '@leafward/shared/clock.js';
import type { Terminal } from '../context.js';
import { openScreen } from './screen.js';

const TICK_MS = 1_000; // ages are shown in seconds

export interface Redraw<T> {
  show(item: T): void;
  /** A line below the drawing until the next item comes. */
  trouble(text: string): void;
  close(): void;
}

/** `render` gets the item and how long ago it came, milliseconds. */
export function startRedraw<T>(
  terminal: Terminal,
  clock: Clock,
  render: (item: T, ageMs: number) => string,
): Redraw<T> {
  const screen = openScreen(terminal);
  let newest: { readonly item: T; readonly at: number } | undefined;
  let trouble: string | undefined;
  const draw = (): void => {
    const text = newest === undefined ? '' : render(newest.item, clock.monotonic() - newest.at);
    const below = trouble === undefined ? [] : [`! ${trouble}`];
    if (text !== '' || below.length > 0)
      screen.draw([...(text === '' ? [] : [text]), ...below].join('\n'));
  };
  const timer = setInterval(draw, TICK_MS);
  return {
    show(item) {
      newest = { item, at: clock.monotonic() };
      trouble = undefined;
      draw();
    },
    trouble(text) {
      trouble = text;
      draw();
    },
    close() {
      clearInterval(timer);
      draw();
      screen.leave();
    },
  };
}
