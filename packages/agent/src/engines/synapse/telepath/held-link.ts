// One link per member that is kept open between polls, and opened again when it broke.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Address } from './address.js';
import { openLink, type Link } from './link.js';

export interface HeldLink {
  /** The open link, or a new one. Throws what openLink throws. */
  get(signal: AbortSignal): Promise<Link>;
  /** Closes it; the next get opens another. */
  drop(): void;
}

export function createHeldLink(address: Address, deadlineMs: number): HeldLink {
  let current: Link | undefined;
  let opening: Promise<Link> | undefined;
  /** Rises with every drop: a link that was being opened meanwhile is not kept. */
  let era = 0;

  const open = async (signal: AbortSignal): Promise<Link> => {
    const mine = era;
    const link = await openLink({ address, deadlineMs }, signal);
    if (mine !== era) {
      link.close();
      throw new LeafwardError('aborted', 'the link was dropped while it was opened');
    }
    current = link;
    return link;
  };
  return {
    get: async (signal) => {
      if (current !== undefined && !current.lost) return current;
      opening ??= open(signal).finally(() => (opening = undefined));
      return opening;
    },
    drop: () => {
      era++;
      current?.close();
      current = undefined;
    },
  };
}
