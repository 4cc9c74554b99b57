// What makes a stand-in cell an AHA: who is registered, and one-time URLs for those who shall be. As the real one it
// checks nothing of what it is asked for. Without certificates, on loopback only.
import { join } from 'node:path';
import { mkdirSync, writeFileSync } from 'node:fs';
import { newIden } from './cell-files.js';
import { refused, WireError, type Cell } from './cell.js';
import type { Method } from './api.js';
import type { Packable } from './pack.js';
import { readIfThere } from './settings.js';

type Info = Readonly<Record<string, Packable>>;

interface Entry {
  readonly name: string;
  readonly svcname: string;
  readonly svcnetw: string;
  readonly svcinfo: Info;
}

/** Of one AHA; what it is started with decides whether it is one. */
export class Aha {
  readonly provs = new Map<string, Info>();
  readonly #entries: Map<string, Entry>;
  readonly #path: string;

  constructor(
    readonly network: string,
    readonly provisionUrl: string,
    readonly registryUrl: string,
    storage: string,
  ) {
    this.#path = join(storage, 'slabs', 'aha.json');
    const text = readIfThere(this.#path);
    const known = text === undefined ? [] : (JSON.parse(text) as Entry[]);
    // Nobody's link has outlived it.
    this.#entries = new Map(known.map((entry) => [entry.name, withOnline(entry, null)]));
  }

  entries(): readonly Entry[] {
    return [...this.#entries.values()];
  }

  find(name: string): Entry | undefined {
    return this.#entries.get(name);
  }

  put(name: string, info: Info): void {
    const full = `${name}.${this.network}`;
    this.#entries.set(full, { name: full, svcname: name, svcnetw: this.network, svcinfo: info });
    this.#save();
  }

  remove(full: string): void {
    this.#entries.delete(full);
    this.#save();
  }

  /** Only if nobody has registered under the name since. */
  down(name: string, link: string): void {
    const entry = this.#entries.get(`${name}.${this.network}`);
    if (entry?.svcinfo['online'] !== link) return;
    this.#entries.set(entry.name, withOnline(entry, null));
    this.#save();
  }

  #save(): void {
    mkdirSync(join(this.#path, '..'), { recursive: true });
    writeFileSync(this.#path, JSON.stringify(this.entries()));
  }
}

const withOnline = (entry: Entry, online: string | null): Entry => ({
  ...entry,
  svcinfo: { ...entry.svcinfo, online, ready: online !== null },
});

/** Undefined for any other cell. Old style: three variables and a name; new style: a network and a name (2.178). */
export function ahaOf(
  environment: NodeJS.ProcessEnv,
  settings: {
    readonly storage: string;
    readonly minor: number;
    readonly listen?: string | undefined;
  },
): Aha | undefined {
  const network = environment['SYN_AHA_AHA_NETWORK'];
  if (network === undefined) return undefined;
  const isNamed = settings.minor >= 178 && environment['SYN_AHA_DNS_NAME'] !== undefined;
  const provision =
    environment['SYN_AHA_PROVISION_LISTEN'] ?? (isNamed ? settings.listen : undefined);
  const listen = environment['SYN_AHA_DMON_LISTEN'] ?? settings.listen;
  if (!isNamed && environment['SYN_AHA_AHA_NAME'] === undefined)
    throw new Error('NeedConfValu: AHA server has no configured aha:urls.');
  if (provision === undefined || listen === undefined)
    throw new Error('NeedConfValu: The AHA server does not have a provision:listen URL!');
  return new Aha(network, provision, listen, settings.storage);
}

const of = (cell: Cell): Aha => {
  if (cell.aha !== undefined) return cell.aha;
  throw new WireError('NoSuchMeth', refused('aha', 'this cell is no AHA'));
};

export const ahaMethods: Readonly<Record<string, Method>> = {
  getAhaSvcs: {
    since: 11,
    parameters: ['network?'],
    entries: ({ cell }) => of(cell).entries() as unknown as readonly Packable[],
  },
  getAhaSvc: {
    since: 11,
    parameters: ['name', 'filters?'],
    answer: ({ cell }, get) => (of(cell).find(String(get('name'))) ?? null) as unknown as Packable,
  },
  getAhaSvcMirrors: {
    since: 102,
    parameters: ['name'],
    answer: ({ cell }, get) => {
      const aha = of(cell);
      const leader = aha.find(String(get('name')))?.svcinfo;
      const mirrors = aha
        .entries()
        .filter(({ svcname }) => svcname.includes('.'))
        .filter(({ svcinfo }) => svcinfo['iden'] === leader?.['iden'])
        .filter(({ svcinfo }) => svcinfo['run'] !== leader?.['run'] && svcinfo['online'] !== null);
      return mirrors as unknown as Packable;
    },
  },
  addAhaSvc: {
    since: 11,
    parameters: ['name', 'info', 'network?'],
    answer: ({ cell, signal }, get) => {
      const aha = of(cell);
      const name = String(get('name'));
      const link = newIden();
      aha.put(name, { ready: true, ...(get('info') as Info), online: link });
      signal.addEventListener('abort', () => aha.down(name, link), { once: true });
      return null;
    },
  },
  delAhaSvc: {
    since: 11,
    parameters: ['name', 'network?'],
    answer: ({ cell }, get) => {
      of(cell).remove(String(get('name')));
      return null;
    },
  },
  addAhaSvcProv: {
    since: 77,
    parameters: ['name', 'provinfo?'],
    answer: ({ cell }, get) => provide(of(cell), String(get('name')), get('provinfo') as Info),
  },
  delAhaSvcProv: {
    since: 77,
    parameters: ['iden'],
    answer: ({ cell }, get) => {
      of(cell).provs.delete(String(get('iden')));
      return null;
    },
  },
  // What a new cell asks its one-time URL; the real one is used up by connecting to it.
  getProvInfo: {
    since: 77,
    parameters: ['iden'],
    answer: ({ cell }, get) => {
      const aha = of(cell);
      const iden = String(get('iden'));
      const conf = aha.provs.get(iden);
      aha.provs.delete(iden);
      if (conf !== undefined) return { iden, conf };
      const mesg = 'Invalid provisioning identifier. This could be caused by the re-use of a URL.';
      throw new WireError('NoSuchName', { ...refused('getProvInfo', mesg), name: iden });
    },
  },
};

function provide(aha: Aha, name: string, wanted: Info | undefined): string {
  const iden = newIden();
  const { network } = aha;
  const port = Number(wanted?.['dmon:port'] ?? 0);
  const https = wanted?.['https:port'];
  const mirror = wanted?.['mirror'];
  aha.provs.set(iden, {
    'aha:user': 'root',
    'aha:network': network,
    'aha:name': name,
    'dmon:listen': `ssl://0.0.0.0:${port}?hostname=${name}.${network}&ca=${network}`,
    ...(https === undefined ? {} : { 'https:port': https }),
    ...(name.includes('.') ? { 'aha:leader': name.slice(name.lastIndexOf('.') + 1) } : {}),
    'aha:registry': [aha.registryUrl],
    ...(typeof mirror !== 'string' ? {} : { mirror: `aha://root@${mirror}.${network}` }),
  });
  return `${aha.provisionUrl}/${iden}?certhash=${'0'.repeat(64)}`;
}
