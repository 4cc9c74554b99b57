// leafward host check: findings, and what can be fixed or put back.
import { Option, type Command } from 'commander';
import { LeafwardError } from '@leafward/shared/errors.js';
import type { FindingView, OutcomeState } from '@leafward/shared/gen/domain.js';
import { addCommand, type Tree } from '../command.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { isOpen, renderFindings, renderTuning, type TuneResult } from '../render/findings.js';
import type { Run } from '../run.js';

interface CheckOptions {
  readonly fix?: boolean;
  readonly undo?: boolean;
  readonly dryRun?: boolean;
  readonly refresh?: boolean;
  readonly only?: readonly string[];
  readonly strict?: boolean;
  readonly all?: boolean;
}

/** Waits for agents: longer than a plain call. */
const AGENT_DEADLINE_MS = 60_000;

export function addHostCheck(host: Command, tree: Tree): void {
  addCommand<CheckOptions>(host, tree, {
    usage: 'check [host]',
    summary: 'what the checks found, why it matters and how to fix it',
    options: [
      new Option('-a, --all', 'what is as wanted, too'),
      new Option('--fix', 'apply what can be applied, now and for the next boots').conflicts(
        'undo',
      ),
      new Option('--undo', 'put back what --fix changed'),
      new Option('--dry-run', 'with --fix or --undo: only show what would change'),
      new Option('--only <check...>', 'these checks only'),
      new Option('--refresh', 'have the agents check now, and wait for it'),
      new Option('--strict', 'end with 1 when something critical is found and not waived'),
    ],
    async act(run, options, name) {
      if (options.fix === true || options.undo === true) return tune(run, options, name);
      if (options.dryRun === true)
        throw new LeafwardError(
          'invalid',
          '--dry-run is for --fix and --undo; a check changes nothing',
        );
      const found = await findings(run, name, options.refresh === true);
      const only = options.only ?? [];
      const shown = {
        ...found,
        findings: found.findings.filter(
          ({ finding }) => only.length === 0 || only.includes(finding.check),
        ),
      };
      const all = options.all === true;
      run.show(shown, (data, style) => renderFindings(data, { all }, style));
      const critical = shown.findings.some(
        (view) => isOpen(view) && view.finding.severity === 'critical',
      );
      return options.strict === true && critical ? EXIT.failed : EXIT.done;
    },
  });
}

async function findings(run: Run, host: string | undefined, refresh: boolean) {
  const client = await run.client();
  return client.getFindings({ host, refresh }, { ...run.call, deadlineMs: AGENT_DEADLINE_MS });
}

async function tune(run: Run, options: CheckOptions, host: string | undefined): Promise<ExitCode> {
  const undo = options.undo === true;
  if (host === undefined)
    throw new LeafwardError('invalid', `${undo ? '--undo' : '--fix'} needs the name of one host`, {
      detail: ['leafward host list names them; fix one, look at it, then the next'],
    });
  const named = options.only ?? [];
  const checks =
    undo || named.length > 0 ? named : fixable((await findings(run, host, false)).findings);
  if (!undo && checks.length === 0) {
    run.show(
      { host, outcome: undefined },
      () => `${host}: nothing to fix that can be applied here`,
    );
    return EXIT.done;
  }
  const client = await run.client();
  const { outcome } = await client.tuneHost(
    { host, checks, undo, dryRun: options.dryRun === true },
    { ...run.call, deadlineMs: AGENT_DEADLINE_MS },
  );
  const result: TuneResult = { host, outcome, dryRun: options.dryRun === true, undo };
  run.show(result, renderTuning);
  return codeOf(outcome.state);
}

/** Names of the checks that are not ok, not waived and can be applied; each once. */
function fixable(views: readonly FindingView[]): readonly string[] {
  const open = views.filter((view) => isOpen(view) && view.finding.fixable);
  return [...new Set(open.map(({ finding }) => finding.check))].sort();
}

function codeOf(state: OutcomeState): ExitCode {
  if (state === 'succeeded') return EXIT.done;
  if (state === 'running') return EXIT.waiting;
  return state === 'refused' ? EXIT.refused : EXIT.failed;
}
