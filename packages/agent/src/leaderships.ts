// Who was seen to lead in the term in which this agent promoted it: written down, so that a storage that mirrors later
// in that term is known to have handed leadership over. Must never keep a look waiting: a disk may hang.
import { isAbort, messageOf } from '@leafward/shared/errors.js';
import type { Logger } from '@leafward/shared/log.js';
import type { Journal } from './journal.js';
import type { Observer } from './observe.js';

export interface LeadershipsOptions {
  readonly journal: Pick<Journal, 'state' | 'append'>;
  readonly log: Logger;
}

/** The same observer; what it shows knows of each leadership at once, the journal as soon as it can be written. */
export function notingLeaders(observer: Observer, { journal, log }: LeadershipsOptions): Observer {
  const seen = new Map<string, number>();
  let writing = false;
  let complaint: string | undefined;
  const write = async (member: string, term: number): Promise<void> => {
    writing = true;
    try {
      await journal.append({ kind: 'seen-leading', member, term });
    } catch (error) {
      const text = `write down that ${member} leads in term ${term}: ${messageOf(error)}`;
      if (!isAbort(error) && text !== complaint) log.warn(text);
      complaint = text;
    } finally {
      writing = false;
    }
  };
  return {
    ...observer,
    async observe(waitingSince, signal) {
      const { promotions } = journal.state;
      const observed = await observer.observe(waitingSince, signal);
      for (const { intent, engine } of observed.members) {
        const { member } = intent;
        const term = promotions[member];
        if (term === undefined || engine.active !== true) continue;
        seen.set(member, term);
        // One at a time: what is not written now is at a later look.
        if (journal.state.led?.[member] !== term && !writing) void write(member, term);
      }
      if (seen.size === 0) return observed;
      const led = { ...observed.journal.led, ...Object.fromEntries(seen) };
      return { ...observed, journal: { ...observed.journal, led } };
    },
  };
}
