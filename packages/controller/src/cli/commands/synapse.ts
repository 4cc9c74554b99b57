// leafward synapse: what Vertex Synapse has and other kinds of services have not.
import type { Command } from 'commander';
import type { Tree } from '../command.js';
import { addSynapseHttps } from './synapse-https.js';
import { addSynapseRole } from './synapse-role.js';
import { addSynapseUser } from './synapse-user.js';

export function addSynapse(program: Command, tree: Tree): void {
  const synapse = program
    .command('synapse')
    .description('of Vertex Synapse alone: users, roles, HTTPS certificates');
  addSynapseUser(synapse, tree);
  addSynapseRole(synapse, tree);
  addSynapseHttps(synapse, tree);
}
