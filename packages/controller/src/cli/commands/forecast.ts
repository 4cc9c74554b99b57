// leafward forecast: when a rule on space breaks.
import type { Command } from 'commander';
import { addCommand, type Tree } from '../command.js';
import { renderForecast } from '../render/forecast.js';

export function addForecast(program: Command, tree: Tree): void {
  addCommand(program, tree, {
    usage: 'forecast [subject]',
    summary: 'when space runs out: growth of data and backups, and the day when a rule breaks',
    more: `SUBJECT is a host or a service. The rules: the next backup fits (backup), services take half of their volume at
most (50 %), services boot and take writes (boot). Between: from the earliest to the latest day, with nine
tenths' probability if growth goes on as it was.`,
    async act(run, _, subject) {
      const forecast = await (await run.client()).getForecast({ subject }, run.call);
      run.show(forecast, renderForecast, forecast.now);
    },
  });
}
