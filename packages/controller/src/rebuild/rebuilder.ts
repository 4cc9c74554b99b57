// Asks agents what they remember as long as a lost store is not whole again, and commits what follows. Decides nothing
// itself: the rules are in planning/rebuild*.ts.
import { messageOf } from '@leafward/shared/errors.js';
import type { AuditRow, Hello, Outcome, Report } from '@leafward/shared/gen/domain.js';
import type { Clock } from '@leafward/shared/clock.js';
import type { Logger } from '@leafward/shared/log.js';
import type { Identity } from '@leafward/shared/pki/identity.js';
import type { Fleet } from '../fleet.js';
import type { IdentityStore } from '../identity-store.js';
import { rebuildChanges } from './changes.js';
import type { Heard } from './orders.js';

export interface Rebuilder {
  /** Whether this host must say what it remembers before anything is ordered of it. */
  asks(hello: Hello): boolean;
  /** Takes what a report says of a lost store; nothing when it says nothing. */
  heard(host: string, report: Report): Promise<void>;
  /**
   * For an agent with a certificate of this CA that lives, and that nobody knows: resolves when it is on the disk.
   * Undefined while no store is rebuilt, and for everybody who is known or was revoked.
   */
  recognise(agent: Identity): Promise<void> | undefined;
}

export interface RebuilderOptions {
  readonly fleet: Fleet;
  readonly identities: Pick<IdentityStore, 'principal' | 'adopt' | 'addAudit'>;
  readonly clock: Clock;
  readonly log: Logger;
}

const MAX_PASSES = 4;

export function createRebuilder(options: RebuilderOptions): Rebuilder {
  const { fleet, log } = options;
  const heard = new Map<string, Heard[string]>();
  const beingAdopted = new Map<string, Promise<void>>();
  const isOpen = (): boolean => {
    const rebuild = fleet.rebuild();
    return rebuild !== undefined && rebuild.endedAt === undefined;
  };
  const take = async (): Promise<void> => {
    const before = fleet.rebuild();
    // What one pass finds whole, the next one joins hosts to that were given up.
    for (let pass = 0; pass < MAX_PASSES; pass += 1) {
      const count = await fleet.transact((snapshot) => {
        const changes = rebuildChanges(snapshot, Object.fromEntries(heard), fleet.secrets());
        return { changes, value: changes.length };
      });
      if (count === 0) break;
    }
    const after = fleet.rebuild();
    if (after === before || after === undefined) return;
    const open = Object.keys(after.open);
    log.info(
      { heard: after.heard, open },
      after.endedAt === undefined
        ? `the store is being rebuilt: ${after.heard.length} hosts were heard; open: ${open.join(', ') || 'none'}`
        : 'the store is rebuilt',
    );
  };
  // What must be heard is shown before anybody was.
  if (isOpen()) take().catch((error: unknown) => log.error(`rebuild: ${messageOf(error)}`));
  return {
    asks: ({ host, generation }) => {
      const rebuild = fleet.rebuild();
      if (rebuild === undefined) return false;
      const isStrange = generation > 0 && fleet.intent(host) === undefined;
      return isOpen() || isStrange || isBack(rebuild, host);
    },
    async heard(host, report) {
      const { memory, members } = report;
      const known = heard.get(host);
      if (memory !== undefined && !matters(fleet, host)) return;
      if (memory !== undefined) {
        if (known === undefined) await keepOutcomes(options, host, report.outcomes);
        heard.set(host, { memory, members });
        return take();
      }
      // Only one of the open questions is answered by what members say of themselves.
      if (known === undefined || !isOpen() || !asksWhoLeads(fleet)) return;
      heard.set(host, { ...known, members });
      await take();
    },
    recognise: (agent) => {
      const { name } = agent;
      if (!isOpen() || options.identities.principal('agent', name) !== undefined) return undefined;
      const adopting = beingAdopted.get(name) ?? adopt(options, agent);
      beingAdopted.set(name, adopting);
      return adopting.finally(() => beingAdopted.delete(name));
    },
  };
}

const isBack = (
  { gone, heard }: NonNullable<ReturnType<Fleet['rebuild']>>,
  host: string,
): boolean => gone.some((one) => one.host === host) && !heard.includes(host);

/** An agent that was asked goes on telling, long after everything is known. */
function matters(fleet: Fleet, host: string): boolean {
  const rebuild = fleet.rebuild();
  if (rebuild === undefined) return false;
  const isOver = rebuild.endedAt !== undefined && Object.keys(rebuild.open).length === 0;
  return !isOver || fleet.intent(host) === undefined || isBack(rebuild, host);
}

const asksWhoLeads = (fleet: Fleet): boolean =>
  Object.values(fleet.rebuild()?.open ?? {}).some((problems) =>
    problems.some(({ code }) => code === 'promotion-half'),
  );

/** The operations that asked are lost; what came of them is not. */
async function keepOutcomes(
  { fleet, identities, clock }: RebuilderOptions,
  host: string,
  outcomes: readonly Outcome[],
): Promise<void> {
  const lost = outcomes.filter(({ requestId, state }) => {
    return state !== 'running' && fleet.outcome(requestId) === undefined;
  });
  for (const { requestId, state, message } of lost)
    await identities.addAudit({
      at: clock.now(),
      who: `agent/${host}`,
      what: 'outcome of a lost operation',
      subject: requestId,
      result: message === undefined ? state : `${state}: ${message}`,
    });
}

function adopt({ identities, clock }: RebuilderOptions, agent: Identity): Promise<void> {
  const { name, serial, fingerprint, issuedAt, expiresAt } = agent;
  const certificate = { serial, kind: 'agent', name, fingerprint, issuedAt, expiresAt } as const;
  const audit: AuditRow = {
    at: clock.now(),
    who: 'rebuild',
    what: 'recognise',
    subject: `agent/${name}`,
    result: `certificate ${serial}`,
  };
  return identities.adopt({ name, certificate }, audit);
}
