// leafward-agent: run, enroll, status, version. Reads the command line, prints, and ends with an exit code.
import { Command, CommanderError, Option } from 'commander';
import { exitCodeOf, LeafwardError, messageOf } from '@leafward/shared/errors.js';
import { createLogger } from '@leafward/shared/log.js';
import { DEFAULT_STATE_DIRECTORY, readConfig } from './config.js';
import { enrollAgent } from './identity.js';
import { thaw } from './freeze/thaw.js';
import { runAgent } from './main.js';
import { readStatus, renderStatus } from './status.js';
import { VERSION } from './version.js';

interface StateFlags {
  readonly stateDir: string;
}

/** Runs one command line (without the program's own name); returns the exit code. */
export async function runAgentProgram(args: readonly string[]): Promise<number> {
  const program = new Command('leafward-agent')
    .description('Looks after the members of services on this host.')
    .version(VERSION, '-V, --version')
    .exitOverride()
    .showHelpAfterError('(add --help for the usage)');
  addRun(program);
  addEnroll(program);
  addStatus(program);
  addThaw(program);
  program
    .command('version')
    .description('Print the version.')
    .action(() => print(`${VERSION}\n`));
  try {
    await program.parseAsync([...args], { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    process.stderr.write(`leafward-agent: ${messageOf(error)}\n`);
    if (error instanceof LeafwardError)
      for (const line of error.detail) process.stderr.write(`  - ${line}\n`);
    if (process.env['LEAFWARD_DEBUG'] === '1' && error instanceof Error)
      process.stderr.write(`${error.stack}\n`);
    return exitCodeOf(error);
  }
}

function stateOption(): Option {
  return new Option('--state-dir <directory>', 'where everything is kept').default(
    DEFAULT_STATE_DIRECTORY,
  );
}

function addRun(program: Command): void {
  program
    .command('run')
    .description('Look after this host until SIGTERM; members go on after it.')
    .addOption(stateOption())
    .action(async ({ stateDir }: StateFlags) => {
      const config = await readConfig(stateDir);
      const ended = new AbortController();
      process.once('SIGTERM', () => ended.abort());
      process.once('SIGINT', () => ended.abort());
      const log = createLogger('leafward-agent', config.logLevel);
      await runAgent({ config, log, signal: ended.signal });
    });
}

function addEnroll(program: Command): void {
  program
    .command('enroll')
    .description('Spend a one-time URL of `leafward host invite` and keep the identity.')
    .argument('<url>', 'the URL; it works once')
    .addOption(stateOption())
    .option('--name <host>', 'name of this host, when the invitation leaves it open')
    .action(async (url: string, flags: StateFlags & { readonly name?: string }) => {
      await readConfig(flags.stateDir);
      const identity = await enrollAgent(flags.stateDir, url, { name: flags.name });
      print(
        `This host is ${identity.name} of the fleet ${identity.fleet}.\n` +
          `Next: leafward-agent run --state-dir ${flags.stateDir}\n`,
      );
    });
}

/** Nobody's to call but the agent's, before it freezes a member. */
function addThaw(program: Command): void {
  program
    .command('thaw', { hidden: true })
    .argument('<directory>')
    .argument('<member>')
    .action((directory: string, member: string) => thaw(directory, member));
}

function addStatus(program: Command): void {
  program
    .command('status')
    .description('Print what this agent knows by itself: orders, permits, retirements.')
    .addOption(stateOption())
    .addOption(new Option('-o, --output <format>', 'how').choices(['text', 'json']).default('text'))
    .action(async (flags: StateFlags & { readonly output: string }) => {
      const status = await readStatus(flags.stateDir);
      print(
        flags.output === 'json' ? `${JSON.stringify(status, null, 2)}\n` : renderStatus(status),
      );
    });
}

function print(text: string): void {
  process.stdout.write(text);
}
