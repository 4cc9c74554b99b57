// leafward version, completion and exit-codes: about the program itself; needs no controller.
import { Argument, type Command } from 'commander';
import { addCommand, type Tree } from '../command.js';
import { renderBashCompletion } from '../completion.js';
import { VERSION } from '../../version.js';
import { EXIT_CODES_TEXT } from '../exit-codes.js';

export function addAbout(program: Command, tree: Tree): void {
  addCommand(program, tree, {
    usage: 'version',
    summary: 'the version of this program',
    async act(run) {
      run.show({ version: VERSION, node: process.version }, (data) => `leafward ${data.version}`);
    },
  });
  const { write } = tree.context.terminal;
  program
    .command('completion')
    .description('a script that completes commands and options')
    .addArgument(new Argument('<shell>').choices(['bash']))
    .addHelpText('after', '\nbash: source <(leafward completion bash)')
    .action(() => {
      write(renderBashCompletion(program));
      tree.end(0);
    });
  program
    .command('exit-codes')
    .description('what the exit codes mean')
    .addHelpText('after', `\n${EXIT_CODES_TEXT}`)
    .action(() => {
      write(`${EXIT_CODES_TEXT}\n`);
      tree.end(0);
    });
}
