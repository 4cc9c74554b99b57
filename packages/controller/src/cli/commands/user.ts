// leafward user: who may use this fleet.
import { Option, type Command } from 'commander';
import type { UserRole } from '@leafward/shared/gen/domain.js';
import { addCommand, durationOption, required, type Tree } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { renderInvitation, renderUsers } from '../render/hosts.js';
import { plural } from '../render/text.js';

const DEFAULT_TTL_MS = 3_600_000; // as for hosts

export function addUser(program: Command, tree: Tree): void {
  const user = program.command('user').description('users: list, invite, revoke');
  addCommand(user, tree, {
    usage: 'list',
    summary: 'all users with their roles',
    async act(run) {
      const { users } = await (await run.client()).listUsers({}, run.call);
      run.show(users, renderUsers);
    },
  });
  addCommand<{ role: UserRole; ttl?: number }>(user, tree, {
    usage: 'invite <name>',
    summary: 'a one-time URL with which a user enrols',
    options: [
      required(
        new Option(
          '--role <role>',
          'viewer reads, operator plans and applies, admin invites',
        ).choices(['viewer', 'operator', 'admin']),
      ),
      durationOption('--ttl <duration>', 'how long the URL works; default 1h'),
    ],
    async act(run, { role, ttl }, name = '') {
      const client = await run.client();
      const made = await client.inviteUser({ name, role, ttlMs: ttl ?? DEFAULT_TTL_MS }, run.call);
      run.show(made, (data, style) => renderInvitation('leafward', data, style));
    },
  });
  addCommand<{ reason: string; yes?: boolean }>(user, tree, {
    usage: 'revoke <name>',
    summary: "end a user's certificate and connections at once",
    options: [
      required(new Option('--reason <text>', 'why; kept in the audit log')),
      new Option('-y, --yes', 'do not ask'),
    ],
    async act(run, { reason, yes }, name = '') {
      if (!(await run.confirm(`Revoke user ${name}?`, yes === true))) return EXIT.refused;
      const client = await run.client();
      const done = await client.revokeUser({ name, reason }, run.call);
      run.show(
        done,
        (data) => `${name} is revoked; ${plural(data.connectionsEnded, 'connection')} ended`,
      );
      return EXIT.done;
    },
  });
}
