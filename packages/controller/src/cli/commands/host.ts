// leafward host: hosts, their invitations and their waivers. Checks are in host-check.ts.
import { Option, type Command } from 'commander';
import { LeafwardError } from '@leafward/shared/errors.js';
import { addCommand, durationOption, momentOption, required, type Tree } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { renderHost, renderHosts, renderInvitation, renderWaivers } from '../render/hosts.js';
import { plural } from '../render/text.js';
import { formatMoment } from '../render/units.js';
import { addHostCheck } from './host-check.js';

const DEFAULT_TTL_MS = 3_600_000; // an invitation that nobody used is dead after an hour

export function addHost(program: Command, tree: Tree): void {
  const host = program.command('host').description('hosts: list, check and tune, invite, revoke');
  addCommand(host, tree, {
    usage: 'list',
    summary: 'all enrolled hosts',
    async act(run) {
      const { hosts } = await (await run.client()).listHosts({}, run.call);
      run.show(hosts, renderHosts);
    },
  });
  addCommand(host, tree, {
    usage: 'show <host>',
    summary: 'one host with its volumes and its agent',
    async act(run, _, name) {
      const { hosts } = await (await run.client()).listHosts({}, run.call);
      const found = hosts.find((each) => each.host === name);
      if (found === undefined)
        throw new LeafwardError(
          'not-found',
          `show host ${name}: the controller knows no such host`,
          {
            detail: [`it knows: ${hosts.map((each) => each.host).join(', ') || 'none'}`],
          },
        );
      run.show(found, renderHost);
    },
  });
  addHostCheck(host, tree);
  addInvitations(host, tree);
  addWaivers(host, tree);
}

function addInvitations(host: Command, tree: Tree): void {
  addCommand<{ ttl?: number }>(host, tree, {
    usage: 'invite <name>',
    summary: 'a one-time URL with which a host enrols',
    options: [durationOption('--ttl <duration>', 'how long the URL works; default 1h')],
    async act(run, { ttl }, name = '') {
      const client = await run.client();
      const made = await client.inviteHost({ name, ttlMs: ttl ?? DEFAULT_TTL_MS }, run.call);
      run.show(made, (data, style) => renderInvitation('leafward-agent', data, style));
    },
  });
  addCommand<{ reason: string; yes?: boolean }>(host, tree, {
    usage: 'revoke <name>',
    summary: "end a host's certificate and its connections at once",
    options: [
      required(new Option('--reason <text>', 'why; kept in the audit log')),
      new Option('-y, --yes', 'do not ask'),
    ],
    async act(run, { reason, yes }, name = '') {
      const question = `Revoke host ${name}? Its agent must be invited again to come back.`;
      if (!(await run.confirm(question, yes === true))) return EXIT.refused;
      const client = await run.client();
      const done = await client.revokeHost({ name, reason }, run.call);
      run.show(
        done,
        (data) => `${name} is revoked; ${plural(data.connectionsEnded, 'connection')} ended`,
      );
      return EXIT.done;
    },
  });
}

function addWaivers(host: Command, tree: Tree): void {
  const now = (): number => tree.context.clock.now();
  addCommand<{ reason: string; until: number }>(host, tree, {
    usage: 'waive <host> <check>',
    summary: 'accept a finding for a while, with a reason; it ends by itself',
    options: [
      required(new Option('--reason <text>', 'why it is acceptable')),
      required(momentOption('--until <when>', 'when it ends', now)),
    ],
    async act(run, { reason, until }, name = '', check = '') {
      const client = await run.client();
      const { waiver } = await client.waive({ host: name, check, reason, until }, run.call);
      run.show(
        waiver,
        (data) => `${data.check} on ${data.host} is waived until ${formatMoment(data.until)}`,
      );
    },
  });
  addCommand(host, tree, {
    usage: 'unwaive <host> <check>',
    summary: 'end a waiver now',
    async act(run, _, name = '', check = '') {
      const client = await run.client();
      const done = await client.endWaiver({ host: name, check }, run.call);
      run.show(done, () => `${check} on ${name} counts again`);
    },
  });
  addCommand(host, tree, {
    usage: 'waivers',
    summary: 'what is waived, by whom, why and until when',
    async act(run) {
      const { waivers } = await (await run.client()).listWaivers({}, run.call);
      run.show(waivers, renderWaivers);
    },
  });
}
