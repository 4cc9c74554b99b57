// A stand-in cell's place in an AHA's network: given at its first start by a one-time URL, told by registering, and how
// aha:// URLs lead to others. Certificates are empty files here.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openLink, type Link } from '@leafward/agent/engines/synapse/telepath/link.js';
import type { Argument } from '@leafward/agent/engines/synapse/telepath/encode.js';
import { mapOf, numberOf, stringOf } from '@leafward/agent/engines/synapse/telepath/value.js';
import { parseAddress, type Address } from '@leafward/agent/engines/synapse/telepath/address.js';
import { messageOf } from '@leafward/shared/errors.js';
import { isFirstBoot, readMap, writeMap } from './cell-files.js';
import type { Cell } from './cell.js';
import { readIfThere, say, type Settings } from './settings.js';

const CALL_MS = 5_000;
const AGAIN_MS = 200;

/** Where this cell looks names up; set once it has a place. */
let registry: { readonly url: string; readonly network: string } | undefined;

async function linkTo(url: string, signal: AbortSignal): Promise<Link> {
  const address = parseAddress(url);
  if (address === undefined) throw new Error(`this cell cannot reach ${url}`);
  return openLink({ address, deadlineMs: CALL_MS }, signal);
}

/** With its place, if a URL gives it one or has given it one before. Throws as the real one exits. */
export async function takePlace(
  settings: Settings,
  environment: NodeJS.ProcessEnv,
): Promise<Settings> {
  const { storage } = settings;
  const path = join(storage, 'cell.yaml');
  const named = Object.entries(environment).find(([name]) =>
    /^SYN_[A-Z0-9]+_AHA_PROVISION$/.test(name),
  );
  const url = named?.[1] ?? stringOf(readMap(path)['aha:provision'] as string);
  const [, iden = ''] = /\/([0-9a-f]{32})/.exec(url ?? '') ?? [];
  const done = readIfThere(join(storage, 'prov.done'))?.trim();
  const isNew = url !== undefined && iden !== done;
  if (isNew) await provision(settings, url, iden);
  const conf = readMap(path);
  const mirror = conf['mirror'];
  if (!isNew && done !== undefined && isFirstBoot(storage) && typeof mirror === 'string')
    throw new Error(
      settings.minor < 200
        ? 'TypeError: cannot unpack non-iterable NoneType object'
        : 'FatalErr: Service has been configured to boot from an upstream mirror, but has entered into an invalid state.',
    );
  return withPlace(settings, conf, environment);
}

async function provision(settings: Settings, url: string, iden: string): Promise<void> {
  const { storage } = settings;
  say(`Provisioning ${settings.type} from AHA service.`);
  mkdirSync(join(storage, 'certs'), { recursive: true });
  const signal = new AbortController().signal;
  const link = await linkTo(url, signal);
  const info = mapOf(await link.call({ method: 'getProvInfo', args: [iden] }, CALL_MS, signal));
  link.close();
  const conf = mapOf(info['conf']);
  const name = `${stringOf(conf['aha:name']) ?? ''}.${stringOf(conf['aha:network']) ?? ''}`;
  writeMap(join(storage, 'cell.yaml'), { ...readMap(join(storage, 'cell.yaml')), ...conf });
  const mods = readMap(join(storage, 'cell.mods.yaml'));
  for (const key of [...Object.keys(conf), 'mirror']) delete mods[key];
  writeMap(join(storage, 'cell.mods.yaml'), mods);
  for (const [folder, file] of [
    ['cas', `${stringOf(conf['aha:network']) ?? ''}.crt`],
    ['hosts', `${name}.crt`],
    ['users', `root@${stringOf(conf['aha:network']) ?? ''}.crt`],
  ] as const) {
    mkdirSync(join(storage, 'certs', folder), { recursive: true });
    writeFileSync(join(storage, 'certs', folder, file), '');
  }
  writeFileSync(join(storage, 'prov.done'), iden);
  say(`Done provisioning ${settings.type} AHA service.`);
}

function withPlace(
  settings: Settings,
  conf: Readonly<Record<string, unknown>>,
  environment: NodeJS.ProcessEnv,
): Settings {
  const text = (key: string): string | undefined =>
    typeof conf[key] === 'string' ? conf[key] : undefined;
  const network = text('aha:network');
  const name = text('aha:name');
  const [url] = Array.isArray(conf['aha:registry']) ? (conf['aha:registry'] as string[]) : [];
  if (network === undefined || name === undefined || url === undefined) return settings;
  registry = { url, network };
  const port = /:(\d+)\?/.exec(text('dmon:listen') ?? '')?.[1] ?? '0';
  const alias = text('aha:leader');
  return {
    ...settings,
    name: `${name}.${network}`,
    alias,
    listen: settings.listen ?? `tcp://127.0.0.1:${port}`,
    // A hand-over tells the old leader whom to mirror: by name, later by the alias.
    advertise:
      environment['SYN_CELL_ADVERTISE'] ??
      `aha://${settings.minor >= 210 && alias !== undefined ? alias : name}.${network}`,
  };
}

/** `aha://[user@]name.network`, or `aha://name...` in the cell's own network. */
export async function resolve(url: string, signal: AbortSignal): Promise<Address> {
  if (registry === undefined) throw new Error(`this cell has no AHA to look ${url} up`);
  const [, written = ''] = /^aha:\/\/(?:[^@/]*@)?([^:/]+)/.exec(url) ?? [];
  const name = written.replace(/\.\.\.$/, `.${registry.network}`);
  const link = await linkTo(registry.url, signal);
  try {
    const entry = mapOf(await link.call({ method: 'getAhaSvc', args: [name] }, CALL_MS, signal));
    const info = mapOf(entry['svcinfo']);
    const { host, port } = mapOf(info['urlinfo']);
    if (stringOf(info['online']) === undefined) throw new Error(`aha lookup failed: ${name}`);
    return { kind: 'tcp', host: stringOf(host) ?? '127.0.0.1', port: numberOf(port) ?? 0 };
  } finally {
    link.close();
  }
}

/** Registers for ever; anew whenever the link breaks, and when it becomes the leader. */
export function startRegistering(cell: Cell, port: number): void {
  if (registry === undefined) return;
  const { url, network } = registry;
  let link: Link | undefined;
  cell.onActive = () => link?.close();
  const signal = new AbortController().signal;
  void (async () => {
    for (;;) {
      try {
        link = await linkTo(url, signal);
        await register(cell, { link, network, port }, signal);
        while (!link.lost) await delay(AGAIN_MS);
      } catch (error) {
        say(`Error in _initAhaService() onlink: ${messageOf(error)}`);
      }
      await delay(AGAIN_MS);
    }
  })();
}

/** Under which others reach it. */
function hostOf(listen: string | undefined): string {
  const address = listen === undefined ? undefined : parseAddress(listen);
  return address?.kind === 'tcp' ? address.host : '127.0.0.1';
}

async function register(
  cell: Cell,
  { link, network, port }: { readonly link: Link; readonly network: string; readonly port: number },
  signal: AbortSignal,
): Promise<void> {
  const { settings } = cell;
  const info: Argument = {
    run: cell.runId,
    iden: cell.iden,
    leader: settings.alias ?? null,
    urlinfo: { scheme: 'tcp', host: hostOf(settings.listen), port },
    ready: cell.active,
  };
  const name = settings.name.slice(0, -network.length - 1);
  const names = cell.active && settings.alias !== undefined ? [name, settings.alias] : [name];
  for (const one of names)
    await link.call(
      { method: 'addAhaSvc', args: [one, info], kwargs: { network } },
      CALL_MS,
      signal,
    );
}
