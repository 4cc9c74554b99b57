// A registry for images by digest. Two processes over one directory: one on TCP for the Engines of a rig, one
// on a unix socket, which works across network namespaces, for whoever pushes from outside.
import { createReadStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { eventually } from './conditions.js';
import type { BuiltImage } from './image.js';
import { start, tryRun, type RigProcess } from './processes.js';

export interface RegistryOptions {
  readonly directory: string;
  readonly recordPath: string;
  /** host:port as the Engines see it. */
  readonly address: string;
  readonly inNetwork: (argv: readonly string[]) => readonly string[];
}

export interface Registry {
  readonly address: string;
  /** Returns the digest of the image's manifest, by which Engines pull it as `address/repository`. */
  push(image: BuiltImage, repository: string, tag: string): Promise<string>;
  /** The registry that Engines see hangs (SIGSTOP) until `thaw`; pushes go on. */
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

export async function startRegistry(options: RegistryOptions): Promise<Registry> {
  const { directory, address, recordPath, inNetwork } = options;
  await mkdir(directory, { recursive: true });
  const socketPath = join(directory, 'push.sock');
  const logPath = join(directory, 'registry.log');
  const listen = async (name: string, network: string, at: string): Promise<readonly string[]> => {
    const config = join(directory, `${name}.yml`);
    await writeFile(config, registryConfig(join(directory, 'data'), network, at));
    return ['docker-registry', 'serve', config];
  };
  const pushing = start(await listen('push', 'unix', socketPath), { logPath, recordPath });
  const serving = start(inNetwork(await listen('serve', 'tcp', address)), { logPath, recordPath });
  const answers = async (argv: readonly string[]): Promise<boolean> =>
    (await tryRun([...argv, 'http://registry/v2/'])).code === 0;
  await eventually(`the registry takes pushes (${logPath})`, () =>
    answers(['curl', '-sf', '--unix-socket', socketPath]),
  );
  await eventually(`the registry answers at ${address} (${logPath})`, () =>
    answers(inNetwork(['curl', '-sf', '--connect-to', `::${address}`])),
  );
  return {
    address,
    push: (image, repository, tag) => push({ socketPath, image, repository, tag }),
    freeze: () => serving.kill('SIGSTOP'),
    thaw: () => serving.kill('SIGCONT'),
    stop: async () => {
      await Promise.all([serving, pushing].map((one: RigProcess) => one.stop()));
    },
  };
}

function registryConfig(data: string, network: string, at: string): string {
  return JSON.stringify({
    version: 0.1,
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: data } },
    http: { net: network, addr: at, relativeurls: true },
  }); // JSON is YAML
}

interface Push {
  readonly socketPath: string;
  readonly image: BuiltImage;
  readonly repository: string;
  readonly tag: string;
}

/** The registry's HTTP API version 2: blobs first, then the manifest that names them. */
async function push({ socketPath, image, repository, tag }: Push): Promise<string> {
  const base = `/v2/${repository}`;
  const ask = (method: string, path: string, body?: Body): Promise<Answer> =>
    httpRequest({ socketPath, method, path, body });
  const pushBlob = async (digest: string, body: Body): Promise<void> => {
    if ((await ask('HEAD', `${base}/blobs/${digest}`)).status === 200) return;
    const begun = await ask('POST', `${base}/blobs/uploads/`);
    const location = begun.headers.location ?? '';
    const joint = location.includes('?') ? '&' : '?';
    const done = await ask('PUT', `${location}${joint}digest=${digest}`, body);
    if (done.status !== 201) throw new Error(`push of ${digest}: ${done.status} ${done.text}`);
  };
  for (const layer of image.layers) await pushBlob(layer.digest, layer);
  const { config } = image;
  const type = 'application/octet-stream';
  await pushBlob(config.digest, { bytes: config.bytes, type });
  const manifest = Buffer.from(manifestOf(image));
  const sent = { bytes: manifest, type: MANIFEST_TYPE };
  const answer = await ask('PUT', `${base}/manifests/${tag}`, sent);
  const digest = answer.headers['docker-content-digest'];
  if (answer.status !== 201 || typeof digest !== 'string')
    throw new Error(`push of ${repository}:${tag}: ${answer.status} ${answer.text}`);
  return digest;
}

const MANIFEST_TYPE = 'application/vnd.docker.distribution.manifest.v2+json';

function manifestOf(image: BuiltImage): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: {
      mediaType: 'application/vnd.docker.container.image.v1+json',
      size: image.config.bytes.length,
      digest: image.config.digest,
    },
    layers: image.layers.map((layer) => ({
      // Not compressed: on one machine gzip costs more than the bytes.
      mediaType: 'application/vnd.docker.image.rootfs.diff.tar',
      size: layer.sizeBytes,
      digest: layer.digest,
    })),
  });
}

type Body =
  | { readonly bytes: Buffer; readonly type: string }
  | { readonly path: string; readonly sizeBytes: number };

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly text: string;
}

interface HttpRequest {
  readonly socketPath: string;
  readonly method: string;
  readonly path: string;
  readonly body: Body | undefined;
}

function httpRequest({ socketPath, method, path, body }: HttpRequest): Promise<Answer> {
  const isFile = body !== undefined && 'path' in body;
  const headers = {
    'Content-Length': body === undefined ? 0 : isFile ? body.sizeBytes : body.bytes.length,
    'Content-Type': body === undefined || isFile ? 'application/octet-stream' : body.type,
  };
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, method, path, headers, timeout: 60_000 }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers as Answer['headers'],
          text: Buffer.concat(chunks).toString('utf8').slice(0, 1000),
        }),
      );
    });
    asked.on('error', reject);
    asked.on('timeout', () => asked.destroy(new Error(`${method} ${path}: no answer in 60 s`)));
    if (isFile) pipeline(createReadStream(body.path), asked).catch(reject);
    else asked.end(body?.bytes);
  });
}
