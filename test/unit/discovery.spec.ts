// What Prometheus is told of the members' own metrics.
import { expect } from 'chai';
import { targetGroups } from '@leafward/controller/metrics/discovery.js';
import type { Snapshot } from '@leafward/controller/snapshot.js';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { makeMember, type MemberChanges } from './checks/fixture.js';
import { emptySnapshot, hostState } from './metrics-fixture.js';

const process = (member: string, changes: MemberChanges): MemberIntent =>
  makeMember({
    member,
    service: 'matrix',
    ...changes,
    spec: { kind: 'matrix-synapse', ports: { client: 8008, metrics: 9000 }, ...changes.spec },
  });
const on = (host: string, members: readonly MemberIntent[]) =>
  hostState(host, { intent: { host, generation: 1, epoch: 1, members } });

describe('service discovery', () => {
  it('has one group a process that runs and has a port for metrics', () => {
    const environment = { SYNAPSE_WORKER: 'synapse.app.pusher' };
    const snapshot: Snapshot = {
      ...emptySnapshot,
      manifest: {
        fleet: 'loop',
        hosts: [{ name: 'alpha', address: '10.0.0.11' }, { name: 'bravo' }],
        services: [],
      },
      hosts: {
        bravo: on('bravo', [
          process('02.matrix', { spec: { engineOptions: { publishAddress: 'fd00::5' } } }),
          process('03.matrix', { run: 'stopped' }),
          process('04.matrix', { spec: { ports: {} } }),
        ]),
        alpha: on('alpha', [process('01.matrix', { spec: { environment } })]),
        idle: hostState('idle'),
        charlie: on('charlie', [
          process('00.matrix', { spec: { engineOptions: { publishAddress: '0.0.0.0' } } }),
        ]),
      },
    };
    expect(targetGroups(snapshot)).to.deep.equal([
      {
        targets: ['charlie:9000'],
        labels: { service: 'matrix', member: '00.matrix', host: 'charlie' },
      },
      {
        targets: ['10.0.0.11:9000'],
        labels: { service: 'matrix', member: '01.matrix', host: 'alpha', worker: 'pusher' },
      },
      {
        targets: ['[fd00::5]:9000'],
        labels: { service: 'matrix', member: '02.matrix', host: 'bravo' },
      },
    ]);
  });
});
