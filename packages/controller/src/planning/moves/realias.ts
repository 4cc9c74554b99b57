// realias: the registry must name the leader under the service's alias. The leader registers by itself within seconds;
// where it does not, or somebody else did after it, the registry is restarted once, and everybody registers anew.
import { aliasOf, type AliasView } from '../alias.js';
import { gatherService, type MemberAt } from '../gather.js';
import { REALIAS_MS, REGISTERS_ITSELF_MS, REPOINT_SILENT_MS } from '../thresholds.js';
import {
  isSeenAfter,
  outcomeOf,
  sendRequest,
  serviceAt,
  wait,
  waitForHost,
  type MoveContext,
  type MoveOf,
  type MoveRow,
  type Step,
} from './move.js';

type Context = MoveContext<MoveOf<'realias'>>;

export const realias: MoveRow<MoveOf<'realias'>> = {
  begin: ({ move }) => ({
    kind: 'go',
    phase: 1,
    event: `looks whom ${move.registry} names under ${move.alias}.${move.network}`,
    effects: [],
  }),
  check: (context) => {
    const { move, progress, snapshot } = context;
    const service = serviceAt(context);
    const registry = gatherService(snapshot, move.registry)?.leader;
    const view = service && aliasOf(snapshot, service);
    if (view === undefined || registry === undefined)
      return { kind: 'done', note: `${move.registry} is not deployed: there is no alias` };
    const waitedMs = snapshot.now - (progress.begunAt ?? snapshot.now);
    // The service goes on: its own registry may have been lost with the host of its old leader.
    if (progress.phase === 1 && view.isRight === undefined && waitedMs >= REPOINT_SILENT_MS)
      return {
        kind: 'done',
        note: `${view.message}: nobody could look; status tells it when it is seen`,
      };
    if (registry.hostState?.connected !== true) return waitForHost(context, registry);
    if (isSeenAfter(registry, progress.begunAt) && view.isRight === true)
      return {
        kind: 'done',
        note: `${view.message}${progress.phase > 1 ? ', after its restart' : ''}`,
      };
    if (progress.phase > 1) return watchRestart(context, registry, view);
    const runId = registry.fact?.engine.runId;
    if (view.isRight === false && waitedMs >= REGISTERS_ITSELF_MS && runId !== undefined)
      return restart(context, registry, runId);
    return elsewhere(context, view, 'it is restarted if that stays so');
  },
};

function restart(context: Context, registry: MemberAt, runId: string): Step {
  const term = registry.intent?.term ?? 0;
  return {
    kind: 'go',
    phase: 2,
    event: `asks ${registry.host} to start ${registry.name} again: everybody registers anew`,
    effects: [
      sendRequest(context, {
        host: registry.host,
        act: { kind: 'restart-member', member: registry.name, term, runId },
      }),
    ],
  };
}

function watchRestart(context: Context, registry: MemberAt, view: AliasView): Step {
  const outcome = outcomeOf(context);
  if (outcome?.state === 'refused' || outcome?.state === 'failed')
    return {
      kind: 'failed',
      reason: `${registry.name} was not started again: ${outcome.message ?? 'no reason given'}; ${view.message}; resume to try again`,
    };
  return elsewhere(context, view, `look at it with: leafward why ${registry.name}`);
}

const elsewhere = (context: Context, view: AliasView, unblock: string): Step =>
  wait(context, {
    code: 'alias-elsewhere',
    subject: view.name,
    message: view.message,
    timeoutMs: REALIAS_MS,
    unblock,
    evidence: view.evidence,
  });
