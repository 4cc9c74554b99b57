// Backups of simulated services: refused as a real engine refuses them, and good for going back to.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Cells, Run, Storage } from './cells.js';

type Copy = Pick<Storage, 'iden' | 'version' | 'log'>;

/** By host and path: they outlive the agent that took them. */
const kept = new WeakMap<Cells, Map<string, Copy>>();

function copiesOf(cells: Cells): Map<string, Copy> {
  const found = kept.get(cells) ?? new Map<string, Copy>();
  kept.set(cells, found);
  return found;
}

export const hasCopy = (cells: Cells, host: string, path: string): boolean =>
  copiesOf(cells).has(`${host}:${path}`);

export interface CopyToBe {
  /** Now it is complete. */
  keep(run: Run): { readonly path: string; readonly position: number };
  /** Done or not: the next one may begin. */
  end(): void;
}

/** Of one agent's life on one host. */
export function createCopies(cells: Cells, host: string) {
  const underWay = new Set<string>();
  return {
    /** @throws LeafwardError `invalid` or `already-exists` */
    begin(of: { member: string; storage: string; name: string }): CopyToBe {
      const what = `back up ${of.member}`;
      if (!/^[\w-][\w.-]*$/.test(of.name))
        throw new LeafwardError('invalid', `${what}: ${of.name} is no plain name`);
      const path = `${of.storage}/backups/${of.name}`;
      if (underWay.has(of.member) || hasCopy(cells, host, path))
        throw new LeafwardError('already-exists', `${what}: another one runs, or is ${path}`);
      underWay.add(of.member);
      return {
        keep: ({ storage: { iden, version, log } }) => {
          copiesOf(cells).set(`${host}:${path}`, { iden, version, log: [...log] });
          return { path, position: log.length };
        },
        end: () => void underWay.delete(of.member),
      };
    },
    /** @throws LeafwardError `not-found` */
    putBack(storage: Storage, path: string): void {
      const copy = copiesOf(cells).get(`${host}:${path}`);
      if (copy === undefined) throw new LeafwardError('not-found', `there is no backup ${path}`);
      Object.assign(storage, { ...copy, log: [...copy.log], mirror: null });
    },
  };
}
