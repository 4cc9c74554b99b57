// Who may call what. Every method of the operator's service stands here once; one that is missing is nobody's.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { OperatorService, UserRole } from '@leafward/shared/gen/domain.js';

const rank: Readonly<Record<UserRole, number>> = { viewer: 1, operator: 2, admin: 3 };

/** The least role that a method asks for. */
export const leastRole: Readonly<Record<keyof OperatorService, UserRole>> = {
  getStatus: 'viewer',
  watchStatus: 'viewer',
  listHosts: 'viewer',
  getFindings: 'viewer',
  listWaivers: 'viewer',
  getPlan: 'viewer',
  listPlans: 'viewer',
  listOperations: 'viewer',
  getOperation: 'viewer',
  watchOperation: 'viewer',
  listBackups: 'viewer',
  explain: 'viewer',
  getForecast: 'viewer',
  renewCertificate: 'viewer',
  makePlan: 'operator',
  applyPlan: 'operator',
  controlOperation: 'operator',
  acknowledgeFailover: 'operator',
  tuneHost: 'operator',
  waive: 'operator',
  endWaiver: 'operator',
  listUsers: 'admin',
  inviteHost: 'admin',
  revokeHost: 'admin',
  inviteUser: 'admin',
  revokeUser: 'admin',
  listAudit: 'admin',
  setSecret: 'admin',
  listSecrets: 'operator',
  removeSecret: 'admin',
  testEngine: 'operator',
  verifyBackup: 'operator',
  actOnBackup: 'operator',
  streamLogs: 'operator',
  listCellUsers: 'operator',
  actOnCell: 'admin',
  installHttps: 'operator',
};

export interface Operator {
  readonly name: string;
  readonly role: UserRole;
}

/** @throws LeafwardError `denied` with what the method would have needed. */
export function assertMay(operator: Operator, method: keyof OperatorService): void {
  const needed = leastRole[method];
  if (rank[operator.role] >= rank[needed]) return;
  throw new LeafwardError(
    'denied',
    `${method}: ${operator.name} is a ${operator.role}, this takes ${/^[aeiou]/.test(needed) ? 'an' : 'a'} ${needed}; ask an admin`,
  );
}
