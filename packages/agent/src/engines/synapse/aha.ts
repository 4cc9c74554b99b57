// AHA, by its own cell's socket: who is registered, and one-time URLs for those who shall be. AHA checks nothing of what
// it is asked for, so names and upstreams are checked here first. Must never put a URL into a text (I14).
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Registry, RegistryEntry } from '@leafward/shared/gen/domain.js';
import type { NewPlace } from '../engine.js';
import { OBSERVE_DEADLINE_MS } from './observe.js';
import type { Link } from './telepath/link.js';
import { mapOf, stringOf, type Value } from './telepath/value.js';

/** As its class is called; a later release may drop the suffix. */
export const isRegistry = (type: string | undefined): boolean =>
  type === 'aha' || type === 'ahacell';

/** More than any fleet has; an answer that goes on for ever is cut off. */
const MOST_ENTRIES = 2000;

/** Everybody that was ever registered and not deleted. @throws what Link.generate throws; takes the link for itself. */
export async function readRegistry(link: Link, signal: AbortSignal): Promise<Registry> {
  const entries: RegistryEntry[] = [];
  for await (const { value } of link.generate(
    { method: 'getAhaSvcs' },
    OBSERVE_DEADLINE_MS,
    signal,
  )) {
    const entry = entryOf(value);
    if (entry !== undefined) entries.push(entry);
    if (entries.length >= MOST_ENTRIES) break;
  }
  return { entries: entries.sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

function entryOf(value: Value): RegistryEntry | undefined {
  const entry = mapOf(value);
  const name = stringOf(entry['name']);
  const info = mapOf(entry['svcinfo']);
  if (name === undefined) return undefined;
  return {
    name,
    run: stringOf(info['run']),
    iden: stringOf(info['iden']),
    online: stringOf(info['online']) !== undefined,
  };
}

/** @throws LeafwardError `refused` when the name is somebody else's or the upstream is not there. */
export function refuseTaken({ entries }: Registry, place: NewPlace): void {
  const { name, network, mirror, iden } = place;
  const refuse = (why: string): never => {
    throw new LeafwardError('refused', `provision ${name}.${network}: ${why}`);
  };
  const known = entries.find((entry) => entry.name === `${name}.${network}`);
  const isOwn = known !== undefined && iden !== undefined && known.iden === iden;
  if (known?.online === true)
    refuse('the name is taken, and whoever has it is online; give the member another name');
  if (known !== undefined && !isOwn)
    refuse(
      'the name is taken by a service that is offline; give the member another name, or delete the entry: ' +
        'delAhaSvc on the registry',
    );
  if (mirror === undefined) return;
  const upstream = entries.find((entry) => entry.name === `${mirror}.${network}`);
  if (upstream === undefined)
    refuse(`it would mirror ${mirror}, and nobody of that name was ever registered`);
  if (upstream?.online === false)
    refuse(`it would mirror ${mirror}, which is not online; get it to run and register`);
}

/** The URL. @throws CellError, LeafwardError `failed` when the answer is none. */
export async function issueUrl(
  link: Link,
  { name, mirror, telepathPort, httpsPort }: NewPlace,
  signal: AbortSignal,
): Promise<string> {
  const wanted = {
    ...(mirror === undefined ? {} : { mirror }),
    ...(telepathPort === undefined ? {} : { 'dmon:port': telepathPort }),
    ...(httpsPort === undefined ? {} : { 'https:port': httpsPort }),
  };
  const call = { method: 'addAhaSvcProv', args: [name], kwargs: { provinfo: wanted } };
  const url = stringOf(await link.call(call, OBSERVE_DEADLINE_MS, signal));
  if (url === undefined || !/^[a-z]+:\/\/[^\s]+\/[0-9a-f]{32}(\?\S*)?$/.test(url))
    throw new LeafwardError('failed', `provision ${name}: the registry answered with no URL`);
  return url;
}

/** One that was never used; forgets one that is not there. */
export async function withdrawUrl(link: Link, url: string, signal: AbortSignal): Promise<void> {
  const [, iden] = /\/([0-9a-f]{32})(?:\?|$)/.exec(url) ?? [];
  if (iden === undefined) return;
  await link.call({ method: 'delAhaSvcProv', args: [iden] }, OBSERVE_DEADLINE_MS, signal);
}
