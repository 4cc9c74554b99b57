// What an operator's screen must not show (I14).
import { expect } from 'chai';
import type { Plan } from '@leafward/shared/gen/domain.js';
import { showPlan } from '@leafward/controller/operators/hide.js';

describe('a plan on its way to a screen', () => {
  it('names the environment and hides its values, in moves and in the manifest', () => {
    const plan: Plan = {
      id: 'p',
      goal: { kind: 'deploy', manifest: 'environment: { SYN_AUTH_PASSWD: hunter2 }' },
      madeAt: 0,
      moves: [
        {
          kind: 'recreate',
          id: 'm1',
          service: 'cortex',
          cause: 'environment differs',
          member: '00.cortex',
          host: 'alpha',
          changes: [],
          spec: {
            kind: 'synapse',
            runtime: 'process',
            image: { reference: '/i', digest: 'sha256:00' },
            command: [],
            environment: { SYN_AUTH_PASSWD: 'hunter2' },
            mounts: [],
            storage: '/s',
            storageTarget: '/s',
            networkMode: 'host',
            limits: {},
            ports: {},
            stopGraceMs: 1,
            engineOptions: {},
          },
        },
      ],
      gates: [],
      refusals: [],
      warnings: [],
      unchanged: [],
      basis: '',
      services: ['cortex'],
    };
    const shown = JSON.stringify(showPlan(plan));
    expect(shown).to.include('SYN_AUTH_PASSWD').and.not.to.include('hunter2');
  });
});
