// An update that stopped half way, in words: what runs now, how it goes on, and the only way back. Pure.
import type { Operation, ServiceOutlook } from './gen/domain.js';
import { listed } from './listed.js';

/** Empty for anything else, and for an update that has stopped nobody yet. */
export function halfUpdateLines(operation: Operation): readonly string[] {
  const { state, outlooks } = operation;
  if (state === 'running' || state === 'done') return [];
  return (outlooks?.services ?? []).flatMap((outlook) => linesOf(operation, outlook));
}

type Member = { readonly member: string; readonly state: string };

function linesOf(operation: Operation, outlook: ServiceOutlook): readonly string[] {
  const { service, backup, fromImage } = outlook;
  const members = membersOf(operation, service);
  const named = (...states: readonly string[]): readonly string[] =>
    members.filter((one) => states.includes(one.state)).map(({ member }) => member);
  const [done, at, left] = [named('done'), named('begun', 'failed'), named('pending')];
  if (done.length + at.length === 0) return [];
  const parts = [
    ...(done.length === 0 ? [] : [`${listed(done)} ${are(done)} updated`]),
    ...(at.length === 0 ? [] : [`${listed(at)} ${are(at)} where it stopped`]),
    ...(left.length === 0 ? [] : [`${listed(left)} ${are(left)} as before`]),
  ];
  return [
    `${service}: ${parts.join(', ')}`,
    ...(left.length + at.length === 0 ? [] : [standing(operation, service, left)]),
    ...(backup === undefined
      ? []
      : [
          `going back is never an older image alone (I5), it is a restore: what was written to ${service} since the backup is lost${fromImage === undefined ? ', and its images stay' : ''}: leafward plan restore ${service} --backup ${backup}${fromImage === undefined ? '' : ` --image ${fromImage}`}`,
        ]),
  ];
}

/** In which state it may be left for a while. */
function standing(
  { moves, progress }: Operation,
  service: string,
  left: readonly string[],
): string {
  const index = moves.findIndex(
    (move) => move.service === service && move.kind === 'hand-over' && move.leavesOlder === true,
  );
  const move = moves[index];
  const isHandedOver = progress[index]?.state === 'done';
  if (move?.kind === 'hand-over' && isHandedOver && left.includes(move.from))
    return `${service} goes on as it is, led by ${move.to}; ${move.from} is older and does not replicate, so update it soon`;
  return `${service} goes on as it is: no member is newer than one below it (I3), so there is time to find out why`;
}

const membersOf = ({ moves, progress }: Operation, service: string): readonly Member[] =>
  moves.flatMap((move, index) =>
    move.kind === 'recreate' && move.service === service
      ? [{ member: move.member, state: progress[index]?.state ?? 'pending' }]
      : [],
  );

const are = (names: readonly string[]): string => (names.length === 1 ? 'is' : 'are');
