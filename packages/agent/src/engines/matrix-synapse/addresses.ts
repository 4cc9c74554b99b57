// Where a member of a stack is asked, by its ports and engine options, and what it is. Pure.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { EngineMember } from '../engine.js';

const MAIN = 'synapse.app.homeserver';
/** Releases below have no /health. */
export const HEALTH_PATH = '/health';
export const VERSIONS_PATH = '/_matrix/client/versions';

/** By its order's role; where that is not told, by the application that its image starts. */
export function isMain({ role, spec }: EngineMember): boolean {
  if (role !== undefined) return role === 'leader';
  return (spec.environment['SYNAPSE_WORKER'] ?? MAIN) === MAIN;
}

/** The name under which the main process knows a worker: its worker_name. Undefined: the manifest does not say it. */
export const workerNameOf = ({ spec }: EngineMember): string | undefined =>
  spec.engineOptions['workerName'];

/** The streams go through Redis: then no process counts any other. */
export const usesRedis = ({ spec }: EngineMember): boolean =>
  spec.engineOptions['replication'] === 'redis';

/** @throws LeafwardError `invalid` when the member has no port named `metrics`. */
export function metricsUrl(member: EngineMember): URL {
  const { metrics } = member.spec.ports;
  if (metrics === undefined)
    throw new LeafwardError(
      'invalid',
      `${member.member} has no port named metrics, the only place where a process says its version; name it in the manifest: ports: { metrics: 9000 }`,
    );
  return at(member, metrics, '/metrics');
}

/** Undefined for an application without any HTTP listener but its metrics (pusher, federation sender). */
export function healthUrl(member: EngineMember): URL | undefined {
  const { engineOptions, ports } = member.spec;
  if (engineOptions['healthUrl'] !== undefined) return urlIn(member, engineOptions['healthUrl']);
  const port = ports['health'] ?? ports['client'];
  return port === undefined ? undefined : at(member, port, HEALTH_PATH);
}

/** Metrics of its main process; undefined when its order does not say where that is. */
export function mainMetricsUrl(member: EngineMember): URL | undefined {
  const { upstreamUrl } = member;
  if (upstreamUrl === undefined || !/^https?:/.test(upstreamUrl)) return undefined;
  const url = urlIn(member, upstreamUrl);
  if (url.pathname === '/') url.pathname = '/metrics';
  return url;
}

function at({ spec }: EngineMember, port: number, path: string): URL {
  const address = spec.engineOptions['address'] ?? '127.0.0.1';
  const host = address.includes(':') ? `[${address}]` : address;
  return new URL(`http://${host}:${port}${path}`);
}

function urlIn({ member }: EngineMember, text: string): URL {
  try {
    return new URL(text);
  } catch {
    throw new LeafwardError('invalid', `${member}: ${text} is no URL; write http://ADDRESS:PORT`);
  }
}
