// How a member's program is started: in a session of its own under a few lines of shell that outlive the
// agent and write down how it ended. Nothing of the agent's is inherited.
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type { ProcessUser } from './user.js';

/**
 * First word after the shell's script; what follows it names the member, so that a later agent that has
 * lost its memory finds it in /proc: agent's state directory, member, storage, spec digest, image digest.
 */
export const WRAPPER_NAME = 'leafward-member';

// The shell traps what the group is sent and lives on to write the exit code; the traps are not inherited by
// the program. Descriptor 3 is the exit file: opened by the agent, since the member's user may not.
const SCRIPT = `
trap : TERM INT HUP QUIT USR1 USR2
if [ "$6" != 0 ]; then
  ulimit -n "$6" || { echo "leafward: no $6 open files: raise the limit of the agent" >&2; printf 125 >&3; exit 125; }
fi
shift 6
"$@" 3>&-
code=$?
printf %s "$code" >&3
exit "$code"
`;

export interface Launch {
  readonly stateDirectory: string;
  readonly member: string;
  readonly storage: string;
  readonly specDigest: string;
  readonly imageDigest: string;
  readonly openFiles: number;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly user?: ProcessUser | undefined;
  readonly outputPath: string;
  readonly exitPath: string;
  /** Only a child of this agent tells its end by itself. */
  readonly onEnd?: (() => void) | undefined;
}

/** Returns the pid, which is also its session and its process group. @throws LeafwardError `failed`. */
export function launch(options: Launch): number {
  const output = openSync(options.outputPath, 'a', 0o600);
  const exit = openSync(options.exitPath, 'w', 0o600);
  try {
    const { user } = options;
    const child = spawn('/bin/sh', shellArguments(options), {
      cwd: options.storage,
      detached: true,
      env: environmentOf(options),
      stdio: ['ignore', output, output, exit],
      ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
    });
    // A failed spawn has no pid; its error comes later as well and must not be unhandled.
    let failure: unknown;
    child.on('error', (error) => (failure = error));
    if (child.pid === undefined) throw launchFailed(options, failure);
    child.once('exit', () => options.onEnd?.());
    child.unref();
    return child.pid;
  } catch (error) {
    throw error instanceof LeafwardError ? error : launchFailed(options, error);
  } finally {
    closeSync(output);
    closeSync(exit);
  }
}

function shellArguments(options: Launch): string[] {
  return [
    '-c',
    SCRIPT,
    WRAPPER_NAME,
    options.stateDirectory,
    options.member,
    options.storage,
    options.specDigest,
    options.imageDigest,
    String(options.openFiles),
    ...options.command,
  ];
}

/** The spec's, and what a program cannot do without; the directory of this Node comes last in PATH. */
export function environmentOf(
  options: Pick<Launch, 'storage' | 'environment' | 'user'>,
): Record<string, string> {
  const system = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  return {
    PATH: `${system}:${dirname(process.execPath)}`,
    HOME: options.user?.home ?? options.storage,
    ...options.environment,
  };
}

function launchFailed(options: Launch, error: unknown): LeafwardError {
  const reason = error === undefined ? 'the system gave no process' : messageOf(error);
  return new LeafwardError(
    'failed',
    `start ${options.member}: ${options.command[0] ?? 'its command'} in ${options.storage}: ${reason}`,
    { retry: 'later', cause: error },
  );
}

/** What the wrapper's command line says, if it is one. */
export function parseWrapper(
  words: readonly string[],
):
  | Omit<Launch, 'command' | 'environment' | 'user' | 'outputPath' | 'exitPath' | 'onEnd'>
  | undefined {
  const at = words.indexOf(WRAPPER_NAME);
  if (at !== 3 || words[1] !== '-c') return undefined;
  const [stateDirectory, member, storage, specDigest, imageDigest, openFiles] = words.slice(at + 1);
  if (
    stateDirectory === undefined ||
    member === undefined ||
    storage === undefined ||
    specDigest === undefined ||
    imageDigest === undefined
  )
    return undefined;
  return {
    stateDirectory,
    member,
    storage,
    specDigest,
    imageDigest,
    openFiles: Number(openFiles ?? 0),
  };
}
