// The backups of a service on this host, judged by its rules of keep, and taken away when that is asked. Touches no member.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { KeepVerdict } from '@leafward/shared/gen/domain.js';
import { freedBytes } from '@leafward/shared/retention.js';
import { judgeService, removeJudged } from '../../backups/keep.js';
import type { Result } from '../../requests.js';
import { megabytes } from '../../megabytes.js';
import { intentOf, type Kind, type Turn } from './parts.js';

/** An outcome is one message, and is remembered: what goes is told first. */
const MOST_VERDICTS = 200;

/** @throws LeafwardError `refused` where no rules are declared, `aborted`. */
export async function pruneBackups(
  request: Kind<'prune-backups'>,
  { parts, onProgress, signal }: Turn,
): Promise<Result> {
  const { service } = intentOf(request, parts);
  await parts.catalogue.refresh([]);
  const judged = await judgeService(service, parts);
  if (judged === undefined)
    throw new LeafwardError(
      'refused',
      `prune the backups of ${service}: no rules say which of them stay; declare backup.keep of the service`,
    );
  const goes = judged.verdicts.filter(({ keeps }) => !keeps);
  const sizes = megabytes(freedBytes(judged.verdicts));
  if (request.dryRun)
    return {
      verdicts: { verdicts: told(judged.verdicts) },
      message: `${goes.length} of ${judged.verdicts.length} would go: ${sizes}`,
    };
  let count = 0;
  const verdicts = await removeJudged(
    judged,
    parts,
    ({ name }) => {
      count += 1;
      onProgress(`removed ${name}: ${count} of ${goes.length}`);
    },
    signal,
  );
  return {
    verdicts: { verdicts: told(verdicts) },
    message: `${count} of ${judged.verdicts.length} were removed: ${megabytes(freedBytes(verdicts))}`,
  };
}

function told(verdicts: readonly KeepVerdict[]): readonly KeepVerdict[] {
  if (verdicts.length <= MOST_VERDICTS) return verdicts;
  const first = [...verdicts].sort((a, b) => Number(a.keeps) - Number(b.keeps));
  const chosen = new Set(first.slice(0, MOST_VERDICTS));
  return verdicts.filter((verdict) => chosen.has(verdict));
}
