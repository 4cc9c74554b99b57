// leafward why and leafward audit: the facts behind a state, and who did what.
import { InvalidArgumentError, Option, type Command } from 'commander';
import { addCommand, type Tree } from '../command.js';
import { renderAudit, renderExplanations } from '../render/lists.js';

const DEFAULT_ROWS = 50; // two screens

export function addWhy(program: Command, tree: Tree): void {
  addCommand<{ all?: boolean }>(program, tree, {
    usage: 'why <subject>',
    summary:
      'the facts behind each wait, refusal and finding of a member, service, host, plan or operation',
    options: [new Option('-a, --all', 'checks that found nothing wrong too')],
    more: 'Names, ids: leafward status, leafward plan list, leafward operation list --all.',
    async act(run, { all }, subject = '') {
      const { explanations } = await (await run.client()).explain({ subject }, run.call);
      run.show(explanations, (data, style) =>
        data.length === 0
          ? `${subject}: nothing waits, nothing is refused and no check complains`
          : renderExplanations(data, all === true, style),
      );
    },
  });
}

export function addAudit(program: Command, tree: Tree): void {
  addCommand<{ limit?: number }>(program, tree, {
    usage: 'audit',
    summary: 'who ordered what, newest first',
    options: [
      new Option('--limit <rows>', `how many; default ${DEFAULT_ROWS}`).argParser((text) => {
        const rows = Number(text);
        if (!Number.isInteger(rows) || rows < 1 || rows > 10_000)
          throw new InvalidArgumentError('It must be a whole number from 1 to 10000.');
        return rows;
      }),
    ],
    async act(run, { limit }) {
      const client = await run.client();
      const { rows } = await client.listAudit({ limit: limit ?? DEFAULT_ROWS }, run.call);
      run.show(rows, renderAudit);
    },
  });
}
