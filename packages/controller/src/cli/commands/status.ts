// leafward status: the fleet on one screen.
import { Option, type Command } from 'commander';
import { addCommand, type Tree } from '../command.js';
import { renderStatus } from '../render/status.js';
import { watchStatus } from '../watch/watch-status.js';

export function addStatus(program: Command, tree: Tree): void {
  addCommand<{ watch?: boolean }>(program, tree, {
    usage: 'status [service]',
    summary: 'the fleet on one screen: trees, hosts, operations and what is wrong',
    options: [new Option('-w, --watch', 'go on until Ctrl-C: redraw, or a line for each change')],
    async act(run, options, service) {
      if (options.watch === true) return watchStatus(run, service);
      const client = await run.client();
      const { status } = await client.getStatus({ service }, run.call);
      run.show(status, renderStatus, status.now);
    },
  });
}
