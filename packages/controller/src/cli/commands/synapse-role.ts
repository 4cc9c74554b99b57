// leafward synapse role: bundles of rules that users of a Synapse service can have.
import { Option, type Command } from 'commander';
import { LeafwardError } from '@leafward/shared/errors.js';
import { addCommand, type Tree } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { renderRolesOf } from '../render/cell-people.js';
import {
  actOnCell,
  peopleOf,
  ruleOptions,
  rulesIn,
  serviceOption,
  type RuleOptions,
  type ServiceOption,
} from './synapse-act.js';

export function addSynapseRole(synapse: Command, tree: Tree): void {
  const role = synapse
    .command('role')
    .description('roles of a service: list, add, grant, revoke, remove');
  addCommand<ServiceOption>(role, tree, {
    usage: 'list',
    summary: 'all roles of a service with their rules',
    options: [serviceOption()],
    async act(run, { service }) {
      run.show(await peopleOf(run, service, { kind: 'list-roles' }), renderRolesOf);
    },
  });
  addCommand<ServiceOption & RuleOptions>(role, tree, {
    usage: 'add <name>',
    summary: 'make a role',
    options: [serviceOption(), ...ruleOptions()],
    act: (run, { service, ...rules }, name = '') =>
      actOnCell(run, service, { kind: 'add-role', name, rules: rulesIn(rules) }),
  });
  for (const [verb, kind, summary] of [
    ['grant', 'grant-role', 'give a role rules'],
    ['revoke', 'revoke-role', 'take rules away from a role'],
  ] as const)
    addCommand<ServiceOption & RuleOptions>(role, tree, {
      usage: `${verb} <name>`,
      summary,
      options: [serviceOption(), ...ruleOptions()],
      async act(run, { service, ...options }, name = '') {
        const rules = rulesIn(options);
        if (rules.length === 0)
          throw new LeafwardError('invalid', `${verb} ${name}: say which rules: --allow or --deny`);
        await actOnCell(run, service, { kind, name, rules });
      },
    });
  addCommand<ServiceOption & { yes?: boolean }>(role, tree, {
    usage: 'remove <name>',
    summary: 'a role that is gone, from all who have it',
    options: [serviceOption(), new Option('-y, --yes', 'do not ask')],
    async act(run, { service, yes }, name = '') {
      if (!(await run.confirm(`Remove role ${name} of ${service}?`, yes === true)))
        return EXIT.refused;
      await actOnCell(run, service, { kind: 'remove-role', name });
      return EXIT.done;
    },
  });
}
