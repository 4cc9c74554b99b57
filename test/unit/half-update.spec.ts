// What an operator reads of an update that stopped half way.
import { expect } from 'chai';
import { halfUpdateLines } from '@leafward/shared/half-update.js';
import type { Move, MoveProgress, Operation } from '@leafward/shared/gen/domain.js';

const recreate = (member: string): Move =>
  ({ kind: 'recreate', id: member, service: 'cortex', cause: '', member }) as never;
const handOver: Move = {
  ...{ kind: 'hand-over', id: 'h', service: 'cortex', cause: '', term: 2, leavesOlder: true },
  ...{ from: '00.cortex', to: '01.cortex' },
};

function stopped(moves: readonly Move[], states: readonly MoveProgress['state'][]): Operation {
  return {
    ...{ id: 'op-1', planId: 'p', state: 'paused', services: ['cortex'], createdBy: 'ada' },
    goal: { kind: 'update', service: 'cortex', image: 'cortex:2.250.0' },
    moves,
    progress: states.map((state) => ({ state, attempt: 1, phase: 0 })),
    ...{ createdAt: 1, abortRequested: false },
    outlooks: {
      services: [
        {
          ...{ service: 'cortex', strategy: 'leafs-first', backup: '20261122T010203Z' },
          fromImage: 'cortex:2.180.0',
          ...{ migrations: [], flagDays: [], deprecations: [] },
        },
      ],
    },
  };
}

const BACK =
  'going back is never an older image alone (I5), it is a restore: what was written to cortex since the backup is lost';

describe('an update that stopped half way', () => {
  const all = [recreate('02.cortex'), recreate('01.cortex'), recreate('00.cortex')];

  it('says who is updated, that the tree runs, and the exact way back', () => {
    expect(halfUpdateLines(stopped(all, ['done', 'failed', 'pending']))).to.deep.equal([
      'cortex: 02.cortex is updated, 01.cortex is where it stopped, 00.cortex is as before',
      'cortex goes on as it is: no member is newer than one below it (I3), so there is time to find out why',
      `${BACK}: leafward plan restore cortex --backup 20261122T010203Z --image cortex:2.180.0`,
    ]);
  });

  it('names no image where a tag was moved, which means the new one by now', () => {
    const outlook = (operation: Operation): Operation => ({
      ...operation,
      outlooks: {
        services: (operation.outlooks?.services ?? []).map((one) => ({
          ...one,
          fromImage: undefined,
        })),
      },
    });
    expect(halfUpdateLines(outlook(stopped(all, ['done', 'failed', 'pending'])))[2]).to.equal(
      `${BACK}, and its images stay: leafward plan restore cortex --backup 20261122T010203Z`,
    );
  });

  it('says after a hand-over who does not replicate', () => {
    const moves = [recreate('01.cortex'), handOver, recreate('00.cortex')];
    expect(halfUpdateLines(stopped(moves, ['done', 'done', 'pending']))[1]).to.equal(
      'cortex goes on as it is, led by 01.cortex; 00.cortex is older and does not replicate, so update it soon',
    );
  });

  it('says nothing before anybody was stopped, nor while it goes on', () => {
    expect(halfUpdateLines(stopped(all, ['pending', 'pending', 'pending']))).to.deep.equal([]);
    const running: Operation = { ...stopped(all, ['done', 'begun', 'pending']), state: 'running' };
    expect(halfUpdateLines(running)).to.deep.equal([]);
  });
});
