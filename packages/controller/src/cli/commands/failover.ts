// leafward failover: the word on a failover that the controller began by itself. Orders none: that is `leafward plan
// failover`.
import type { Command } from 'commander';
import { addCommand, type Tree } from '../command.js';
import { formatAge } from '../render/units.js';

export function addFailover(program: Command, tree: Tree): void {
  const failover = program
    .command('failover')
    .description('failovers that the controller began by itself: acknowledge');
  addCommand(failover, tree, {
    usage: 'acknowledge <service>',
    summary: 'say that somebody has looked at it: the next one may begin by itself again',
    more: 'What began it: leafward why SERVICE. To order one: leafward plan failover SERVICE.',
    async act(run, _, service = '') {
      const client = await run.client();
      const done = await client.acknowledgeFailover({ service }, run.call);
      run.show(
        done,
        ({ operationId, from, to, beganAt }, { now }) =>
          `${service}: ${operationId}, from ${from} to ${to ?? 'nobody'}, begun ${formatAge(beganAt, now)} ago, is acknowledged`,
      );
    },
  });
}
