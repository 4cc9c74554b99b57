// What a member's agent does with backups by itself, as its service declares it. Pure.
import type { BackupDuty, SecretVariables } from '@leafward/shared/gen/domain.js';
import type {
  DeclaredOffsite,
  MemberDeclaration,
  ServiceDeclaration,
} from '@leafward/shared/manifest/types.js';

interface WithDuty {
  readonly backupDuty?: BackupDuty | undefined;
}

/** Left out where nothing is declared. A worker of a stack holds nothing of its own. */
export function dutyOf(
  declaration: ServiceDeclaration,
  member: string,
  offsiteSecrets: SecretVariables | undefined,
): WithDuty {
  const { duty } = declaration.backup;
  const order = ranks(declaration);
  const rank = order.indexOf(member);
  if (duty === undefined || rank === -1) return {};
  const { offsite, ...rest } = duty;
  return {
    backupDuty: {
      ...rest,
      rank,
      ...leaderRank(declaration, order.length),
      ...(offsite === undefined ? {} : { offsite: offsiteOf(offsite, offsiteSecrets) }),
    },
  };
}

/** Names of secrets by variable that copies of the service's backups need. */
export const offsiteSecretsOf = ({
  backup,
}: ServiceDeclaration): Readonly<Record<string, string>> =>
  backup.duty?.offsite?.secretEnvironment ?? {};

function offsiteOf(
  { repository, environment, each, keep }: DeclaredOffsite,
  secretEnvironment: SecretVariables | undefined,
): NonNullable<BackupDuty['offsite']> {
  return {
    repository,
    environment,
    each,
    ...(keep === undefined ? {} : { keep }),
    ...(secretEnvironment === undefined ? {} : { secretEnvironment }),
  };
}

/** Behind all of them: a promotion changes no order of preference, and an agent knows whether its own member leads. */
const leaderRank = (
  { shape, backup }: ServiceDeclaration,
  members: number,
): Pick<BackupDuty, 'leaderRank'> =>
  shape === 'tree' && members > 1 && backup.preferMirror ? { leaderRank: members } : {};

/**
 * The deepest mirrors first, as they are declared: the order stays when leadership moves, and an agent whose own
 * member leads stands back where mirrors are preferred.
 */
function ranks({ members, shape, backup }: ServiceDeclaration): readonly string[] {
  if (shape === 'stack')
    return members.filter(({ upstream }) => upstream === undefined).map(({ name }) => name);
  const depthOf = (member: MemberDeclaration): number => {
    const above = members.find(({ name }) => name === member.upstream);
    return above === undefined ? 0 : depthOf(above) + 1;
  };
  const sign = backup.preferMirror ? -1 : 1;
  return [...members]
    .sort((a, b) => sign * (depthOf(a) - depthOf(b)) || a.name.localeCompare(b.name))
    .map(({ name }) => name);
}
