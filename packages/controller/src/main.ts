// leafward-controller: init, run, invite-admin, rebuild. Reads the command line, prints, and ends with an exit code.
import { Command, CommanderError } from 'commander';
import { systemClock } from '@leafward/shared/clock.js';
import { exitCodeOf, LeafwardError, messageOf } from '@leafward/shared/errors.js';
import { createLogger } from '@leafward/shared/log.js';
import { loadConfig, type ControllerConfig } from './config.js';
import { startController } from './controller.js';
import { initController, inviteAdmin } from './init.js';
import { addRebuild } from './rebuild/command.js';
import { notifySystemd, startWatchdog } from './notify.js';
import { VERSION } from './version.js';

const DEFAULT_STATE_DIR = '/var/lib/leafward-controller';

interface InitFlags {
  readonly stateDir: string;
  readonly fleet: string;
  readonly name: readonly string[];
  readonly operator: string;
  readonly listenMtls: string;
  readonly listenEnrollment: string;
  readonly listenMetrics: string;
}

/** Runs one command line (without the program's own name); returns the exit code. */
export async function runControllerProgram(args: readonly string[]): Promise<number> {
  // Everything that this program writes is its own: store, keys, tickets.
  process.umask(0o077);
  const program = new Command('leafward-controller')
    .description('Plans and orders: the one that agents and operators talk to.')
    .version(VERSION, '-V, --version')
    .exitOverride()
    .showHelpAfterError('(add --help for the usage)');
  addInit(program);
  addRun(program);
  addInviteAdmin(program);
  let exitCode = 0;
  addRebuild(program, DEFAULT_STATE_DIR, (code) => (exitCode = code));
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    process.stderr.write(`leafward-controller: ${messageOf(error)}\n`);
    if (error instanceof LeafwardError)
      for (const line of error.detail) process.stderr.write(`  - ${line}\n`);
    if (process.env['LEAFWARD_DEBUG'] === '1' && error instanceof Error)
      process.stderr.write(`${error.stack}\n`);
    return exitCodeOf(error);
  }
}

function addInit(program: Command): void {
  program
    .command('init')
    .description('Make the CA, the store, controller.yaml and the first operator’s one-time URL.')
    .option('--state-dir <directory>', 'where everything is kept', DEFAULT_STATE_DIR)
    .requiredOption('--fleet <name>', 'name of the fleet, as acme')
    .requiredOption(
      '--name <host...>',
      'names or addresses under which agents reach this controller; the first goes into URLs',
    )
    .option('--operator <name>', 'the first operator, an admin', 'admin')
    .option('--listen-mtls <address:port>', 'for agents and operators', '0.0.0.0:7443')
    .option('--listen-enrollment <address:port>', 'for the first contact', '0.0.0.0:7444')
    .option('--listen-metrics <address:port>', 'for /metrics and /healthz', '127.0.0.1:9464')
    .action(async (flags: InitFlags) => {
      const made = await initController({
        stateDir: flags.stateDir,
        operator: flags.operator,
        clock: systemClock,
        config: configOf(flags),
      });
      process.stdout.write(
        `${[
          `The controller of fleet ${flags.fleet} is initialized in ${flags.stateDir}.`,
          `Settings: ${made.configPath}`,
          `SHA-256 of its CA: ${made.caSha256}`,
          '',
          'Next:',
          `  1. leafward-controller run --state-dir ${flags.stateDir}`,
          `  2. leafward enroll ${made.url}`,
          `     (works once, until ${new Date(made.expiresAt).toISOString()}; makes ${flags.operator} an admin)`,
          '  3. leafward host invite NAME',
        ].join('\n')}\n`,
      );
    });
}

function configOf(flags: InitFlags): ControllerConfig {
  return {
    fleet: flags.fleet,
    names: [...flags.name],
    listen: {
      mtls: flags.listenMtls,
      enrollment: flags.listenEnrollment,
      metrics: flags.listenMetrics,
    },
    certificates: { agentDays: 30, userDays: 30, controllerDays: 90 },
    reportEveryMs: 5000,
    logLevel: 'info',
  };
}

function addInviteAdmin(program: Command): void {
  program
    .command('invite-admin')
    .description(
      'A new one-time URL for an admin, when nobody can get in any more. The controller must be stopped.',
    )
    .option('--state-dir <directory>', 'where everything is kept', DEFAULT_STATE_DIR)
    .argument('<name>', 'name of the admin')
    .action(async (name: string, flags: { readonly stateDir: string }) => {
      const config = await loadConfig(flags.stateDir);
      const { url, expiresAt } = await inviteAdmin({
        ...flags,
        config,
        operator: name,
        clock: systemClock,
      });
      process.stdout.write(
        `leafward enroll ${url}\n(works once, until ${new Date(expiresAt).toISOString()})\n`,
      );
    });
}

function addRun(program: Command): void {
  program
    .command('run')
    .description('Serve agents, operators and scrapers until SIGTERM.')
    .option('--state-dir <directory>', 'where everything is kept', DEFAULT_STATE_DIR)
    .action(async (flags: { readonly stateDir: string }) => {
      await serve(flags.stateDir);
    });
}

async function serve(stateDir: string): Promise<void> {
  const config = await loadConfig(stateDir);
  const log = createLogger('leafward-controller', config.logLevel);
  let end: (error?: Error) => void = () => undefined;
  const ended = new Promise<Error | undefined>((resolve) => (end = resolve));
  const controller = await startController({
    stateDir,
    config,
    clock: systemClock,
    log,
    onFatal: end,
  });
  process.once('SIGTERM', () => end());
  process.once('SIGINT', () => end());
  notifySystemd('--ready', `--status=fleet ${config.fleet}, epoch ${controller.fleet.epoch}`);
  const stopWatchdog = startWatchdog(() => true);
  const error = await ended;
  stopWatchdog();
  notifySystemd('STOPPING=1');
  log.info(error === undefined ? 'ending as asked' : `ending: ${messageOf(error)}`);
  await controller.stop();
  if (error !== undefined) throw error;
}
