// A server of restic's REST protocol on loopback, of the test's own: rclone, over a directory. Touches no configuration of
// this machine.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { freePorts } from '../fleet/programs.js';
import { until } from './stage.js';

export interface RestServer {
  /** http://127.0.0.1:PORT/ */
  readonly url: string;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Repositories lie below `directory`. Not started yet. */
export async function makeRestServer(directory: string): Promise<RestServer> {
  const [port = 0] = await freePorts(1);
  const url = `http://127.0.0.1:${port}/`;
  let child: ChildProcess | undefined;
  return {
    url,
    async start() {
      await mkdir(directory, { recursive: true });
      const args = ['serve', 'restic', '--config', '/dev/null', '--addr', `127.0.0.1:${port}`];
      child = spawn('rclone', [...args, directory], { stdio: ['ignore', 'ignore', 'pipe'] });
      let said = '';
      child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
      await until('the REST server listens', () => answers(url)).catch((error: unknown) => {
        throw new Error(`the REST server does not listen: ${said}`, { cause: error });
      });
    },
    async stop() {
      const ending = child;
      child = undefined;
      if (ending === undefined || ending.exitCode !== null) return;
      const ended = new Promise((resolve) => ending.once('exit', resolve));
      ending.kill('SIGKILL');
      await ended;
    },
  };
}

const answers = (url: string): Promise<boolean> =>
  fetch(url).then(
    () => true,
    () => false,
  );
