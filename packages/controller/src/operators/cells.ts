// Users, roles and certificates of Synapse cells as operators order them: the leader's agent is asked, which asks the
// cell. Passwords, keys and one-time URLs pass through and are in no row, error or store (I14).
import type { Clock } from '@leafward/shared/clock.js';
import { assertCellAct } from '@leafward/shared/cell-people.js';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type {
  ActOnCellRequest,
  ActOnCellResponse,
  CellAct,
  InstallHttpsRequest,
  InstallHttpsResponse,
  ListCellUsersResponse,
  OperatorService,
  Outcome,
} from '@leafward/shared/gen/domain.js';
import type { ServiceHandlers } from '@leafward/shared/rpc/service.js';
import type { Fleet } from '../fleet.js';
import { askHost, type HostAct } from '../images.js';
import type { Snapshot } from '../snapshot.js';
import type { Operator } from './access.js';
import { memberPlaces, type MemberPlace } from './member-place.js';

export interface CellDeskOptions {
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly audit: (row: { who: string; what: string; subject: string; result: string }) => void;
}

type CellCalls = Pick<
  ServiceHandlers<OperatorService, Operator>,
  'listCellUsers' | 'actOnCell' | 'installHttps'
>;

/** A cell answers in milliseconds; one that was just promoted in seconds. Below the deadline of a call. */
const ANSWER_MS = 25_000;
const MOST_SECRET_BYTES = 128 * 1024;
const LISTS: ReadonlySet<CellAct['kind']> = new Set(['list-users', 'list-roles']);

export function cellCalls(options: CellDeskOptions): CellCalls {
  const audited = async <T>(
    who: Operator,
    order: { readonly what: string; readonly subject: string },
    act: () => Promise<T>,
  ): Promise<T> => {
    try {
      const value = await act();
      options.audit({ who: who.name, ...order, result: 'done' });
      return value;
    } catch (error) {
      options.audit({ who: who.name, ...order, result: messageOf(error) });
      throw error;
    }
  };
  return {
    listCellUsers: ({ service, act }) => list(options, service, act),
    actOnCell: async (request, { caller }) => {
      assertCellAct(request.act); // what is no name may be a password that slipped: it is not written down
      const { service, act } = request;
      const name = 'name' in act ? ` ${act.name ?? ''}` : '';
      return audited(caller, { what: `${act.kind} of a cell`, subject: `${service}${name}` }, () =>
        change(options, request),
      );
    },
    installHttps: (request, { caller }) =>
      audited(caller, { what: 'install https certificate', subject: request.member }, () =>
        installHttps(options, request),
      ),
  };
}

async function list(
  { fleet, clock }: CellDeskOptions,
  service: string,
  act: CellAct,
): Promise<ListCellUsersResponse> {
  if (!LISTS.has(act.kind))
    throw new LeafwardError('invalid', `${act.kind} of ${service}: that changes something`);
  assertCellAct(act);
  const place = leaderOf(fleet.snapshot(), service, act.kind);
  const { people } = await ask(fleet, clock, place, { act: { kind: 'act-on-cell', act } });
  return { member: place.member, people: people ?? NOBODY };
}

async function change(
  { fleet, clock }: CellDeskOptions,
  { service, act, password }: ActOnCellRequest,
): Promise<ActOnCellResponse> {
  const place = leaderOf(fleet.snapshot(), service, act.kind);
  if (password === '' || (password?.length ?? 0) > MOST_SECRET_BYTES)
    throw new LeafwardError(
      'invalid',
      `${act.kind} of ${service}: the password is empty or too long`,
    );
  const { people, secret } = await ask(fleet, clock, place, {
    act: { kind: 'act-on-cell', act },
    secret: password,
  });
  if (act.kind === 'enroll-user' && secret === undefined)
    throw new LeafwardError(
      'failed',
      `enrol ${act.name} at ${service}: it was done, but the URL was lost on its way; ask again with --again`,
    );
  const url = act.kind === 'enroll-user' ? secret : undefined;
  return { member: place.member, people: people ?? NOBODY, url };
}

async function installHttps(
  { fleet, clock }: CellDeskOptions,
  { member, certificatePem, keyPem }: InstallHttpsRequest,
): Promise<InstallHttpsResponse> {
  const what = `install a certificate for ${member}`;
  const place = placeOf(fleet.snapshot(), member, what);
  if (certificatePem.length > MOST_SECRET_BYTES || keyPem.length > MOST_SECRET_BYTES)
    throw new LeafwardError(
      'invalid',
      `${what}: that is no certificate or no key: it is too large`,
    );
  const { https } = await ask(fleet, clock, place, {
    act: { kind: 'install-https', certificatePem },
    secret: keyPem,
  });
  if (https === undefined) throw new LeafwardError('failed', `${what}: nothing was told of it`);
  return { member, host: place.host, installed: https };
}

const NOBODY = { users: [], roles: [], leftOut: 0, changes: [] };

interface Place extends MemberPlace {
  readonly what: string;
}

function ask(
  fleet: Fleet,
  clock: Clock,
  { host, member, term, what }: Place,
  order: { readonly act: HostAct; readonly secret?: string | undefined },
): Promise<Outcome> {
  return askHost(fleet, clock, {
    host,
    what: `${what} at ${member} on host ${host}`,
    timeoutMs: ANSWER_MS,
    about: { member, term },
    ...order,
  });
}

/** Who leads the service answers for all of it. @throws LeafwardError `not-found`, `refused` */
function leaderOf(snapshot: Snapshot, service: string, what: string): Place {
  const state = snapshot.services[service];
  if (state === undefined) {
    const known = Object.keys(snapshot.services).sort();
    throw new LeafwardError(
      'not-found',
      `${what}: there is no service ${service}; ${known.length === 0 ? 'there are none yet' : `there are: ${known.join(', ')}`}`,
    );
  }
  if (state.declaration.kind !== 'synapse')
    throw new LeafwardError(
      'refused',
      `${what}: ${service} is of kind ${state.declaration.kind}; only cells of synapse have users that Leafward can change`,
    );
  return placeOf(snapshot, state.topology.leader, what);
}

function placeOf(snapshot: Snapshot, member: string, what: string): Place {
  const found = memberPlaces(snapshot).find((one) => one.member === member);
  if (found !== undefined) return { ...found, what };
  throw new LeafwardError('not-found', `${what}: there is no member ${member}`);
}
