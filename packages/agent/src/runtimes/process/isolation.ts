// Runs a program in namespaces of its own: no network but its own loopback, no shared memory, and neither storages,
// backups, /run nor /tmp of the host. Needs no privilege: the namespaces are its own user's. Must never start anything
// when one step of that fails.
import { readFileSync, readlinkSync } from 'node:fs';
import { access, chmod, chown, constants, mkdir, readdir, realpath, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import { isWithin } from '../../checks/mounts.js';
import type { Command, CommandResult, ContainerSpec, Isolation } from '../runtime.js';
import { livingInSession } from './proc.js';
import type { Run } from './member-files.js';

/** Where sockets of others lie, whoever they are. */
const SHARED = ['/run', '/tmp'];
const PLACES = ['/usr/bin', '/bin', '/usr/sbin', '/sbin'];
/** First word after the script: as long as it is in a command line there, the namespaces are not ready. */
const SCRIPT_NAME = 'leafward-isolate';

// Words: the way to ip, mount and setpriv; the directory to begin in; seven directories that are shown; pairs of a
// directory and what it stands in front of; --; the program. What is shown is opened before anything is hidden, since a
// path would then lead to what stands in front of it.
const SCRIPT = `
fail() { echo "leafward: it cannot be kept apart: $1; nothing was started" >&2; exit 126; }
ip=$1 mount=$2 setpriv=$3 start=$4
shift 4
"$ip" link set lo up || fail 'no loopback'
exec 3<"$1" 4<"$2" 5<"$3" 6<"$4" 7<"$5" 8<"$6" 9<"$7" || fail 'open what is to be shown'
shift 7
while [ "$1" != -- ]; do
  "$mount" --no-canonicalize --bind "$1" "$2" || fail "hide $2"
  shift 2
done
shift
cd "$start" || fail "enter $start"
exec "$setpriv" --inh-caps=-all --ambient-caps=-all -- "$@" 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-
`;
/** Descriptors of the script for what is shown. */
const DESCRIPTORS = [3, 4, 5, 6, 7, 8, 9];

interface Programs {
  readonly unshare: string;
  readonly nsenter: string;
  readonly ip: string;
  readonly mount: string;
  readonly setpriv: string;
  /** In front of the program: others come first. */
  readonly behind: readonly string[];
}

/** What goes in front of a program's words; nothing for a member. @throws LeafwardError `unavailable`. */
export async function wordsFor(
  container: ContainerSpec,
  { images, run }: { readonly images: string; readonly run: Run | undefined },
): Promise<readonly string[]> {
  const { isolation } = container;
  if (isolation === undefined) return [];
  if (run !== undefined) return wordsBeside(container, run);
  return wordsApart(container, { ...isolation, shown: [...isolation.shown, images] });
}

/** Tries it with a program that says where it is. */
export async function whyNotApart(
  run: (command: Command) => Promise<CommandResult>,
): Promise<string | undefined> {
  const argv = ['readlink', '/proc/self/ns/net', '/proc/self/ns/mnt'];
  try {
    const { exitCode, stdout, stderr } = await run({
      argv,
      deadlineMs: PROBE_MS,
      maxOutputBytes: 4096,
    });
    const said = stderr.trim().split('\n').at(-1) ?? '';
    if (exitCode !== 0) return `${said === '' ? `exit code ${exitCode}` : said}`;
    const isSeen = stdout.includes(readlinkSync('/proc/self/ns/net'));
    return isSeen ? 'it has the network of the host all the same' : undefined;
  } catch (error) {
    if (error instanceof LeafwardError && error.code === 'unavailable') return error.text;
    throw error;
  }
}
const PROBE_MS = 10_000;

async function wordsApart({ spec }: ContainerSpec, isolation: Isolation): Promise<string[]> {
  const programs = await findPrograms();
  const needed = await existing(isolation.shown);
  const hidden = await outermost([...SHARED, ...isolation.hidden], needed);
  // Where its programs are, should that be hidden.
  const path = await existing((spec.environment['PATH'] ?? '').split(':'));
  const programsIn = path.filter((one) => hidden.some((it) => one !== it && isWithin(one, it)));
  const shown = [...new Set([...needed, ...programsIn])].slice(0, DESCRIPTORS.length);
  const pairs: string[] = [];
  for (const [index, path] of hidden.entries()) {
    const front = join(isolation.scratch, String(index));
    await makeFront(front, path, shown);
    pairs.push(front, path);
  }
  for (const [index, path] of shown.entries())
    if (hidden.some((one) => isWithin(path, one)))
      pairs.push(`/proc/self/fd/${DESCRIPTORS[index] ?? 0}`, path);
  const opened = DESCRIPTORS.map((_, index) => shown[index] ?? '/');
  return [
    ...programs.behind,
    ...[programs.unshare, '--user', '--map-current-user', '--keep-caps'],
    ...['--net', '--mount', '--ipc', '--', '/bin/sh', '-c', SCRIPT, SCRIPT_NAME],
    ...[programs.ip, programs.mount, programs.setpriv, spec.storage],
    ...[...opened, ...pairs, '--'],
  ];
}

/** For a command beside a program that runs apart. @throws LeafwardError `unavailable` while that is not ready. */
async function wordsBeside({ spec }: ContainerSpec, run: Run): Promise<string[]> {
  const { nsenter } = await findPrograms();
  const apart = livingInSession(run.pid, run.startTicks).filter(({ pid }) => isApart(pid));
  // While the script is at it, what it calls is apart already and sees what is not hidden yet.
  const pid = apart.some((one) => isScript(one.pid)) ? undefined : apart[0]?.pid;
  if (pid === undefined)
    throw new LeafwardError('unavailable', 'enter its namespaces: they are not ready', {
      retry: 'later',
    });
  return [
    ...[nsenter, '--target', String(pid), '--user', '--preserve-credentials'],
    ...['--net', '--mount', '--ipc', '--', '/bin/sh', '-c'],
    ...['cd "$0" && exec "$@"', spec.storage],
  ];
}

/** Whether a process has a network and a view of files that are not this agent's. */
function isApart(pid: number): boolean {
  try {
    return ['net', 'mnt'].every(
      (kind) => readlinkSync(`/proc/${pid}/ns/${kind}`) !== readlinkSync(`/proc/self/ns/${kind}`),
    );
  } catch {
    return false; // it has ended
  }
}

function isScript(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(SCRIPT_NAME);
  } catch {
    return false;
  }
}

/** Empty, but for the ways to what is shown; as open to its user as what it stands in front of. */
async function makeFront(front: string, path: string, shown: readonly string[]): Promise<void> {
  await makeLike(front, path);
  // Programs expect a directory of their own in /run, and make none.
  if (path === '/run')
    for (const entry of await readdir(path, { withFileTypes: true }))
      if (entry.isDirectory())
        await makeLike(join(front, entry.name), join(path, entry.name)).catch(() => undefined);
  for (const one of shown) {
    if (!isWithin(one, path)) continue;
    let at = front;
    for (const name of relative(path, one).split('/')) {
      at = join(at, name);
      await mkdir(at, { recursive: true });
      await chmod(at, 0o755);
    }
  }
}

async function makeLike(made: string, path: string): Promise<void> {
  const { mode, uid, gid } = await stat(path);
  await mkdir(made, { recursive: true });
  // Another one's directory stays this agent's where it cannot be given away: its user then cannot write there.
  await chown(made, uid, gid).catch(() => undefined);
  await chmod(made, mode & 0o1777);
}

/** Links resolved; what lies in another one is hidden with it, and what is shown is not hidden. */
async function outermost(
  paths: readonly string[],
  shown: readonly string[],
): Promise<readonly string[]> {
  const there = await existing(paths);
  return there
    .filter((path) => !there.some((other) => other !== path && isWithin(path, other)))
    .filter((path) => !shown.some((one) => isWithin(path, one)));
}

async function existing(paths: readonly string[]): Promise<readonly string[]> {
  const real = await Promise.all(paths.map((path) => realpath(path).catch(() => undefined)));
  return [...new Set(real.filter((path) => path !== undefined))];
}

async function findPrograms(): Promise<Programs> {
  const [unshare, nsenter, ip, mount, setpriv, nice, ionice] = await Promise.all(
    ['unshare', 'nsenter', 'ip', 'mount', 'setpriv', 'nice', 'ionice'].map(find),
  );
  const needed = { unshare, nsenter, ip, mount, setpriv };
  const missing = Object.entries(needed).flatMap(([name, path]) =>
    path === undefined ? name : [],
  );
  if (
    unshare === undefined ||
    nsenter === undefined ||
    ip === undefined ||
    mount === undefined ||
    setpriv === undefined
  )
    throw new LeafwardError(
      'unavailable',
      `this host has no ${missing.join(', no ')} (util-linux, iproute2)`,
    );
  const behind = [
    ...(nice === undefined ? [] : [nice, '-n', '10']),
    ...(ionice === undefined ? [] : [ionice, '-t', '-c', '2', '-n', '7']),
  ];
  return { unshare, nsenter, ip, mount, setpriv, behind };
}

async function find(name: string): Promise<string | undefined> {
  for (const place of PLACES) {
    const path = join(place, name);
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return undefined;
}
