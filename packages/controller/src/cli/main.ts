// Builds the command tree of `leafward` and runs one command. Owns the meaning of the exit code; wires nothing.
import { Command, CommanderError } from 'commander';
import { addAbout } from './commands/about.js';
import { addApply } from './commands/apply.js';
import { addBackup } from './commands/backup.js';
import { addEngine } from './commands/engine.js';
import { addEnroll } from './commands/enroll.js';
import { addAudit, addWhy } from './commands/explain.js';
import { addExport } from './commands/export.js';
import { addFailover } from './commands/failover.js';
import { addForecast } from './commands/forecast.js';
import { addHost } from './commands/host.js';
import { addImport } from './commands/import.js';
import { addLogs } from './commands/logs.js';
import { addOperation } from './commands/operation.js';
import { addPlan } from './commands/plan.js';
import { addSecret } from './commands/secret.js';
import { addStatus } from './commands/status.js';
import { addSynapse } from './commands/synapse.js';
import { addUser } from './commands/user.js';
import type { Tree } from './command.js';
import type { CliContext } from './context.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { VERSION } from '../version.js';

/** Runs one command line (without the program's own name) and returns the exit code. Never throws. */
export async function runLeafward(args: readonly string[], context: CliContext): Promise<ExitCode> {
  let code: ExitCode = EXIT.done;
  const program = buildProgram({ context, end: (ended) => (code = ended) });
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const isHelp = error.exitCode === 0; // asked for: --help, help, --version
    return isHelp ? EXIT.done : EXIT.usage;
  }
  return code;
}

export function buildProgram(tree: Tree): Command {
  const { terminal } = tree.context;
  const program = new Command('leafward')
    .description('Looks after stateful services that have a leader and mirrors.')
    .version(VERSION, '-V, --version')
    .option('--no-color', 'print without colours (as NO_COLOR=1 does)')
    .exitOverride()
    .configureOutput({
      writeOut: terminal.write,
      writeErr: terminal.writeError,
      getOutHelpWidth: () => terminal.size()?.columns ?? 100,
      getErrHelpWidth: () => terminal.size()?.columns ?? 100,
    })
    .showHelpAfterError('(add --help for the usage)')
    .addHelpText(
      'after',
      '\nFirst steps: leafward enroll URL, then leafward status.\nExit codes: leafward help exit-codes.',
    );
  addEnroll(program, tree);
  addStatus(program, tree);
  addHost(program, tree);
  addUser(program, tree);
  addSecret(program, tree);
  addPlan(program, tree);
  addApply(program, tree);
  addOperation(program, tree);
  addFailover(program, tree);
  addBackup(program, tree);
  addEngine(program, tree);
  addForecast(program, tree);
  addLogs(program, tree);
  addImport(program, tree);
  addExport(program, tree);
  addSynapse(program, tree);
  addWhy(program, tree);
  addAudit(program, tree);
  addAbout(program, tree);
  return program;
}
