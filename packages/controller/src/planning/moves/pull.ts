// pull: the image is on every host before anything stops. Asks each host once an attempt; done when all have it.
import type { Outcome } from '@leafward/shared/gen/domain.js';
import { isOlder } from '../versions.js';
import { livingOf, versionOf } from '../gather.js';
import { OUTCOME_MS, PULL_MS, SILENT_HOST_MS } from '../thresholds.js';
import { evidence, listed, shortDigest } from '../words.js';
import {
  outcomeOf,
  sendRequest,
  serviceAt,
  wait,
  type MoveContext,
  type MoveOf,
  type MoveRow,
  type Step,
} from './move.js';

type Context = MoveContext<MoveOf<'pull'>>;

export const pull: MoveRow<MoveOf<'pull'>> = {
  begin: (context) => ({
    kind: 'go',
    phase: 1,
    event: `asks ${listed(context.move.hosts)} for ${context.move.image.reference}`,
    effects: context.move.hosts.map((host) =>
      sendRequest(context, {
        host,
        suffix: host,
        act: {
          kind: 'pull-image',
          member: '',
          term: 0,
          runtime: context.move.runtime,
          image: context.move.image,
        },
      }),
    ),
  }),
  check: (context) => {
    const outcomes = context.move.hosts.map((host) => ({
      host,
      outcome: outcomeOf(context, host),
    }));
    const bad = outcomes.find(({ outcome }) => isBad(outcome));
    if (bad?.outcome !== undefined)
      return {
        kind: 'failed',
        reason: `host ${bad.host} could not pull ${context.move.image.reference}: ${bad.outcome.message ?? bad.outcome.state}; nothing was stopped, resume to try again`,
      };
    const open = outcomes.filter(({ outcome }) => outcome?.state !== 'succeeded');
    if (open.length === 0)
      return verdict(
        context,
        outcomes.flatMap(({ outcome }) => outcome ?? []),
      );
    const silent = open.filter(({ host }) => context.snapshot.hosts[host]?.connected !== true);
    if (silent.length > 0)
      return wait(context, {
        code: 'host-silent',
        subject: silent[0]?.host ?? '',
        message: `${listed(silent.map(({ host }) => host))} must pull ${context.move.image.reference} and ${silent.length === 1 ? 'is' : 'are'} not connected`,
        timeoutMs: SILENT_HOST_MS,
        unblock: 'bring it and its leafward-agent back; nothing was stopped yet',
        evidence: silent.map(({ host }) =>
          evidence(`agent of ${host}`, 'not connected', {
            wanted: 'connected',
            seenAt: context.snapshot.hosts[host]?.lastSeenAt,
          }),
        ),
      });
    return wait(context, {
      code: 'pulling',
      subject: context.move.image.reference,
      message: `${listed(open.map(({ host }) => host))} pull ${context.move.image.reference}`,
      timeoutMs: PULL_MS + OUTCOME_MS,
      unblock: 'wait, or look whether the registry answers',
      evidence: open.map(({ host, outcome }) => evidence(host, outcome?.progress ?? 'not begun')),
    });
  },
};

const isBad = (outcome: Outcome | undefined): boolean =>
  outcome?.state === 'failed' || outcome?.state === 'refused' || outcome?.state === 'unknown';

/** Some versions are known only once the image is there (I5); nothing has been stopped yet. */
function verdict(context: Context, outcomes: readonly Outcome[]): Step {
  const version = outcomes.find((outcome) => outcome.image?.version !== undefined)?.image?.version;
  const service = serviceAt(context);
  // A restore brings the data that its image is for.
  const newer =
    service === undefined || context.operation.goal.kind === 'restore'
      ? undefined
      : livingOf(service).find((member) => isOlder(version, versionOf(member)));
  if (newer !== undefined)
    return {
      kind: 'failed',
      reason: `the image is version ${version ?? ''}, ${newer.name} has ${versionOf(newer) ?? ''}: versions never go down (I5); abort this operation and take a newer image`,
    };
  const other = outcomes.find(
    (outcome) => outcome.image !== undefined && outcome.image.digest !== context.move.image.digest,
  );
  if (other !== undefined)
    return {
      kind: 'failed',
      reason: `a host has ${shortDigest(other.image?.digest ?? '')} for ${context.move.image.reference}, wanted is ${shortDigest(context.move.image.digest)}: make the same image available on every host`,
    };
  return {
    kind: 'done',
    note: `${listed(context.move.hosts)} have ${context.move.image.reference}${version === undefined ? '' : ` (version ${version})`}`,
  };
}
