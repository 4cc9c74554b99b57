// An sshd of the test's own on loopback, with keys of its own, and an `ssh` in a directory for a PATH that knows it as the
// host `copies`. Touches no configuration of this machine.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePorts } from '../fleet/programs.js';
import { until } from './stage.js';

export interface Sshd {
  /** What finds it, before all others. */
  readonly path: string;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Below `root`, a directory of the test. Not started yet. */
export async function makeSshd(root: string): Promise<Sshd> {
  const directory = join(root, 'ssh');
  const bin = join(directory, 'bin');
  await mkdir(bin, { recursive: true, mode: 0o700 });
  const [port = 0] = await freePorts(1);
  for (const name of ['host', 'client'])
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(directory, name)]);
  const hostKey = await readFile(join(directory, 'host.pub'), 'utf8');
  await writeFile(join(directory, 'known'), `[127.0.0.1]:${port} ${hostKey}`);
  await writeFile(
    join(directory, 'authorized'),
    await readFile(join(directory, 'client.pub'), 'utf8'),
  );
  const config = join(directory, 'sshd_config');
  await writeFile(config, serverConfig(directory, port));
  await writeFile(join(directory, 'ssh_config'), clientConfig(directory, port));
  const ssh = join(bin, 'ssh');
  const real = (await run('sh', ['-c', 'command -v ssh'])).trim();
  await writeFile(ssh, `#!/bin/sh\nexec ${real} -F ${join(directory, 'ssh_config')} "$@"\n`);
  await chmod(ssh, 0o755);
  let child: ChildProcess | undefined;
  return {
    path: `${bin}:${process.env['PATH'] ?? ''}`,
    async start() {
      // Where its package was installed without ever being started, it is not there yet.
      if (process.getuid?.() === 0) await mkdir('/run/sshd', { recursive: true });
      const program = (await run('sh', ['-c', 'command -v sshd || echo /usr/sbin/sshd'])).trim();
      child = spawn(program, ['-D', '-e', '-f', config], { stdio: ['ignore', 'ignore', 'pipe'] });
      let said = '';
      child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
      await until('sshd listens', () => answers(port)).catch((error: unknown) => {
        throw new Error(`sshd does not listen: ${said}`, { cause: error });
      });
    },
    async stop() {
      const ending = child;
      child = undefined;
      if (ending === undefined || ending.exitCode !== null) return;
      const ended = new Promise((resolve) => ending.once('exit', resolve));
      ending.kill('SIGTERM');
      await ended;
    },
  };
}

const run = async (program: string, args: readonly string[]): Promise<string> =>
  (await promisify(execFile)(program, args)).stdout;

const serverConfig = (directory: string, port: number): string =>
  [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${join(directory, 'host')}`,
    `AuthorizedKeysFile ${join(directory, 'authorized')}`,
    `PidFile ${join(directory, 'pid')}`,
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin prohibit-password',
    'Subsystem sftp internal-sftp',
    '',
  ].join('\n');

const clientConfig = (directory: string, port: number): string =>
  [
    'Host copies',
    '  HostName 127.0.0.1',
    `  Port ${port}`,
    `  User ${userInfo().username}`,
    `  IdentityFile ${join(directory, 'client')}`,
    '  IdentitiesOnly yes',
    `  UserKnownHostsFile ${join(directory, 'known')}`,
    '  StrictHostKeyChecking yes',
    '  BatchMode yes',
    '',
  ].join('\n');

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('data', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
