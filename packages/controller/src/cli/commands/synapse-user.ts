// leafward synapse user: who may use a Synapse service. A password comes from a prompt or stdin; a one-time URL is
// printed once, here, and is nowhere else (I14).
import { Option, type Command } from 'commander';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { CellPeople } from '@leafward/shared/gen/domain.js';
import { addCommand, type Tree } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { renderUser, renderUsersOf } from '../render/cell-people.js';
import {
  actOnCell,
  peopleOf,
  readPassword,
  requireSome,
  rightOptions,
  rightsIn,
  serviceOption,
  type RightOptions,
  type ServiceOption,
} from './synapse-act.js';

export function addSynapseUser(synapse: Command, tree: Tree): void {
  const user = synapse
    .command('user')
    .description(
      'users of a service: list, show, add, grant, revoke, lock, unlock, password, remove, enroll',
    );
  addReads(user, tree);
  addAdd(user, tree);
  addRights(user, tree);
  addLocks(user, tree);
  addPassword(user, tree);
  addRemove(user, tree);
  addEnroll(user, tree);
}

function addReads(user: Command, tree: Tree): void {
  addCommand<ServiceOption>(user, tree, {
    usage: 'list',
    summary: 'all users of a service with their roles and rules',
    options: [serviceOption()],
    async act(run, { service }) {
      run.show(await peopleOf(run, service, { kind: 'list-users' }), renderUsersOf);
    },
  });
  addCommand<ServiceOption>(user, tree, {
    usage: 'show <name>',
    summary: 'everything about one user',
    options: [serviceOption()],
    async act(run, { service }, name = '') {
      const { users } = await peopleOf(run, service, { kind: 'list-users', name });
      const [found] = users;
      if (found !== undefined) run.show(found, renderUser);
    },
  });
}

function addAdd(user: Command, tree: Tree): void {
  addCommand<RightOptions & { email?: string; passwordStdin?: boolean }>(user, tree, {
    usage: 'add <name>',
    summary: 'make a user',
    options: [
      ...rightOptions(),
      new Option('--email <address>', 'kept with the user'),
      new Option('--password-stdin', 'give it a password: what stdin holds, or asked for'),
    ],
    more: 'Users of a fleet with AHA need no password: leafward synapse user enroll NAME.',
    async act(run, { service, email, passwordStdin, ...options }, name = '') {
      const rights = rightsIn({ ...options, service });
      const password = passwordStdin === true ? await readPassword(run, name) : undefined;
      await actOnCell(run, service, { kind: 'add-user', name, email, ...rights }, password);
    },
  });
}

function addRights(user: Command, tree: Tree): void {
  for (const [verb, kind, summary] of [
    ['grant', 'grant-user', 'give a user rules, roles or the rights of an admin'],
    ['revoke', 'revoke-user', 'take rules, roles or the rights of an admin away from a user'],
  ] as const)
    addCommand<RightOptions>(user, tree, {
      usage: `${verb} <name>`,
      summary,
      options: rightOptions(),
      async act(run, options, name = '') {
        const rights = rightsIn(options);
        requireSome(`${verb} ${name}`, rights);
        await actOnCell(run, options.service, { kind, name, ...rights });
      },
    });
}

function addLocks(user: Command, tree: Tree): void {
  for (const [verb, locked, summary] of [
    ['lock', true, 'a user that cannot connect any more, and stays otherwise as it is'],
    ['unlock', false, 'the opposite of lock'],
  ] as const)
    addCommand<ServiceOption>(user, tree, {
      usage: `${verb} <name>`,
      summary,
      options: [serviceOption()],
      act: (run, { service }, name = '') =>
        actOnCell(run, service, { kind: 'lock-user', name, locked }),
    });
}

function addPassword(user: Command, tree: Tree): void {
  addCommand<ServiceOption & { passwordStdin?: boolean }>(user, tree, {
    usage: 'password <name>',
    summary: 'a new password: what stdin holds, or asked for without an echo',
    options: [serviceOption(), new Option('--password-stdin', 'as it is done in any case')],
    async act(run, { service }, name = '') {
      const password = await readPassword(run, name);
      await actOnCell(run, service, { kind: 'set-password', name }, password);
    },
  });
}

function addRemove(user: Command, tree: Tree): void {
  addCommand<ServiceOption & { yes?: boolean }>(user, tree, {
    usage: 'remove <name>',
    summary: 'a user that is gone, its rules with it',
    options: [serviceOption(), new Option('-y, --yes', 'do not ask')],
    async act(run, { service, yes }, name = '') {
      const question = `Remove user ${name} of ${service}? Locking it can be undone, this cannot.`;
      if (!(await run.confirm(question, yes === true))) return EXIT.refused;
      await actOnCell(run, service, { kind: 'remove-user', name });
      return EXIT.done;
    },
  });
}

function addEnroll(user: Command, tree: Tree): void {
  addCommand<{ service: string; again?: boolean }>(user, tree, {
    usage: 'enroll <name>',
    summary: 'a one-time URL of AHA with which a user gets a certificate',
    options: [
      new Option('-s, --service <service>', 'the AHA service').default('aha'),
      new Option('--again', 'also for a user whom AHA knows already'),
    ],
    more: `It is printed once, and works once: hand it over where nobody else reads it. The user spends it with:
  python -m synapse.tools.enroll URL`,
    async act(run, { service, again }, name = '') {
      const client = await run.client();
      const act = { kind: 'enroll-user', name, again: again === true } as const;
      const { people, url } = await client.actOnCell({ service, act }, run.call);
      if (url === undefined)
        throw new LeafwardError('failed', `enrol ${name}: no URL came; ask again with --again`);
      run.show({ name, url, changes: people.changes }, renderEnrolment);
    },
  });
}

interface Enrolment extends Pick<CellPeople, 'changes'> {
  readonly name: string;
  readonly url: string;
}

const renderEnrolment = ({ name, url }: Enrolment): string =>
  `${url}\nIt works once and is not shown again. ${name} spends it with: python -m synapse.tools.enroll URL`;
