// leafward enroll: makes this user's identity here with a one-time URL. The URL is never printed (I14).
import type { Command } from 'commander';
import { addCommand, type Tree } from '../command.js';

export function addEnroll(program: Command, tree: Tree): void {
  addCommand(program, tree, {
    usage: 'enroll <url>',
    summary: 'make your identity on this machine with the one-time URL that an admin gave you',
    more: 'The key is made here and stays here. The URL works once.',
    async act(run, _, url = '') {
      const enrolled = await run.context.enroll(url, run.context.signal);
      run.show(enrolled, ({ fleet, name, address, role, directory }) =>
        [
          `${name} is enrolled in fleet ${fleet} as ${role}; the identity is in ${directory}`,
          `controller: ${address}`,
          'next: leafward status',
        ].join('\n'),
      );
    },
  });
}
