// Runs acts one at a time, in the order in which they came.
import { setImmediate as nextTurn } from 'node:timers/promises';

export type InLine = <T>(act: () => Promise<T>) => Promise<T>;

const rest = (): Promise<void> => nextTurn();

export function createInLine(): InLine {
  let queue: Promise<unknown> = Promise.resolve();
  return (act) => {
    const turn = queue.then(act);
    // What is done may come back within one turn of the loop: without a rest a thousand waiting decisions would hold
    // up every connection, and peers would take this controller for dead.
    queue = turn.then(rest, rest);
    return turn;
  };
}
