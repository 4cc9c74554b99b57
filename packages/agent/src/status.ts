// What the agent on this host knows by itself, read from its state directory, whether it runs or not and
// without a controller. Reads only; shows no environment (I14).
import { join } from 'node:path';
import { LeafwardError } from '@leafward/shared/errors.js';
import { loadIdentity } from '@leafward/shared/pki/identity-directory.js';
import { readJournal } from './journal.js';
import { hostMonotonicMs, openPermits } from './permits.js';
import { readBootId } from './runtimes/process/proc.js';

export interface OfflineStatus {
  readonly host?: string | undefined;
  readonly fleet?: string | undefined;
  readonly generation: number;
  readonly epoch: number;
  readonly members: readonly OfflineMember[];
  readonly retirements: readonly OfflineRetirement[];
  readonly openRequests: readonly { readonly id: string; readonly kind: string }[];
}

export interface OfflineMember {
  readonly member: string;
  readonly service: string;
  readonly run: string;
  readonly role: string;
  readonly term: number;
  readonly storage: string;
  readonly image: string;
  readonly permitLeftMs: number;
  readonly starts: number;
}

export interface OfflineRetirement {
  readonly member: string;
  readonly storage: string;
  readonly term: number;
  readonly reason: string;
  readonly at: number;
  readonly startsSinceRetired: number;
}

/** @throws LeafwardError `failed` for a damaged journal. */
export async function readStatus(stateDirectory: string): Promise<OfflineStatus> {
  const state = await readJournal(join(stateDirectory, 'journal.log'));
  const permits = openPermits({
    monotonic: hostMonotonicMs,
    path: join(stateDirectory, 'permits.json'),
    bootId: await readBootId(),
    looksOnly: true,
  });
  const identity = await identityOf(stateDirectory);
  return {
    ...identity,
    generation: state.intent?.generation ?? 0,
    epoch: state.intent?.epoch ?? 0,
    members: (state.intent?.members ?? []).map(({ member, service, run, role, term, spec }) => ({
      member,
      service,
      run,
      role,
      term,
      storage: spec.storage,
      image: spec.image.reference,
      permitLeftMs: Math.round(permits.of(member, term).leftMs),
      starts: state.starts[member]?.starts ?? 0,
    })),
    retirements: Object.values(state.retirements).map(({ member, storage, term, reason, at }) => ({
      member,
      storage,
      term,
      reason,
      at,
      startsSinceRetired: state.starts[member]?.sinceRetired ?? 0,
    })),
    openRequests: Object.entries(state.requests).flatMap(([id, { request, outcome }]) =>
      outcome === undefined && request !== undefined ? [{ id, kind: request.kind }] : [],
    ),
  };
}

async function identityOf(
  stateDirectory: string,
): Promise<{ readonly host?: string; readonly fleet?: string }> {
  try {
    const { name, fleet } = await loadIdentity(stateDirectory);
    return { host: name, fleet };
  } catch (error) {
    if (error instanceof LeafwardError) return {};
    throw error;
  }
}

export function renderStatus(status: OfflineStatus): string {
  const who =
    status.host === undefined
      ? 'This host is not enrolled; an operator makes the URL with: leafward host invite NAME'
      : `Host ${status.host} of fleet ${status.fleet}: order ${status.generation}, epoch ${status.epoch}.`;
  const members = status.members.map(
    (one) =>
      `  ${one.member}  ${one.run}  ${one.role}  term ${one.term}  ${one.image}  ` +
      `starts ${one.starts}${one.permitLeftMs > 0 ? `  permit ${one.permitLeftMs} ms` : ''}`,
  );
  const retirements = status.retirements.map(
    (one) =>
      `  ${one.storage} (${one.member}) retired at term ${one.term}: ${one.reason}; ` +
      `starts since: ${one.startsSinceRetired}`,
  );
  const requests = status.openRequests.map(({ id, kind }) => `  ${kind} ${id}`);
  return [
    who,
    ...section('Members', members),
    ...section('Retired, never started again', retirements),
    ...section('Requests at work', requests),
    '',
  ].join('\n');
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ['', `${title}:`, ...lines];
}
