// Who may come in: invitations, revocations and renewals as operators order them. A revocation ends live
// connections at once.
import type {
  InviteHostRequest,
  InviteHostResponse,
  InviteUserRequest,
  InviteUserResponse,
  ListAuditResponse,
  ListUsersResponse,
  RevokeHostRequest,
  RevokeHostResponse,
  RevokeUserRequest,
  RevokeUserResponse,
} from '@leafward/shared/gen/domain.js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { Enrollment } from '../enrollment.js';
import type { IdentityStore } from '../identity-store.js';
import { AUTOMATIC } from '../operations/automatic-loop.js';
import type { Operator } from './access.js';

export interface People {
  inviteHost(request: InviteHostRequest, by: Operator): Promise<InviteHostResponse>;
  revokeHost(request: RevokeHostRequest, by: Operator): Promise<RevokeHostResponse>;
  listUsers(): Promise<ListUsersResponse>;
  inviteUser(request: InviteUserRequest, by: Operator): Promise<InviteUserResponse>;
  revokeUser(request: RevokeUserRequest, by: Operator): Promise<RevokeUserResponse>;
  renew(
    caller: Operator,
    csrPem: string,
  ): Promise<{ readonly certificatePem: string; readonly caPem: string }>;
  listAudit(limit: number): Promise<ListAuditResponse>;
}

export interface PeopleOptions {
  readonly enrollment: Enrollment;
  readonly store: IdentityStore;
  /** Ends the live connections of an identity; returns how many there were. */
  readonly disconnect: (kind: 'agent' | 'user', name: string) => number;
  /** Serial of the certificate that this caller came with. */
  readonly serialOf: (caller: Operator) => string;
}

export function createPeople(options: PeopleOptions): People {
  const { enrollment, store } = options;
  const revoke = async (
    kind: 'agent' | 'user',
    { name, reason }: RevokeHostRequest,
    by: Operator,
  ): Promise<RevokeHostResponse> => {
    if (reason.trim() === '')
      throw new LeafwardError('invalid', `revoke ${kind} ${name}: say why, with --reason`);
    if (kind === 'user' && name === by.name)
      throw new LeafwardError(
        'refused',
        `revoke user ${name}: that is yourself; have another admin do it`,
      );
    await enrollment.revoke({ kind, name, reason, by: by.name });
    return { connectionsEnded: options.disconnect(kind, name) };
  };
  return {
    inviteHost: ({ name, ttlMs }, by) =>
      enrollment.invite({ kind: 'agent', name, ttlMs, madeBy: by.name }),
    inviteUser: async ({ name, role, ttlMs }, by) => {
      if (name === AUTOMATIC)
        throw new LeafwardError(
          'invalid',
          `invite user ${name}: what the controller begins by itself is written down under this name; take another one`,
        );
      return enrollment.invite({ kind: 'user', name, role, ttlMs, madeBy: by.name });
    },
    revokeHost: (request, by) => revoke('agent', request, by),
    revokeUser: (request, by) => revoke('user', request, by),
    listUsers: async () => ({
      users: store.principals('user').flatMap((user) =>
        user.role === 'agent'
          ? []
          : [
              {
                name: user.name,
                role: user.role,
                enrolledAt: user.enrolledAt,
                revokedAt: user.revokedAt,
                certificateExpiresAt: user.certificateExpiresAt,
              },
            ],
      ),
    }),
    renew: (caller, csrPem) =>
      enrollment.renewCertificate(
        { kind: 'user', name: caller.name, serial: options.serialOf(caller) },
        csrPem,
      ),
    listAudit: async (limit) => ({ rows: await store.audit(limit) }),
  };
}
