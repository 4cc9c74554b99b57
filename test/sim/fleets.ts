// The programs and the deployed fleets that every seed of a run begins with; made once a process.
import { layouts } from './layouts.js';
import { editsOf, loadProgram, type Mutation } from './load.js';
import type { Mistake, Provocation } from './mutations.js';
import { deployed, simulate } from './simulate.js';
import { templateOf, type Template } from './template.js';
import type { Verdict } from './verdict.js';
import type { Programs } from './world.js';

export interface Fleets {
  run(seed: number, print?: (line: string) => void): Promise<Verdict>;
  /** The same fleets under programs with one mistake. @throws Error when it does not apply. */
  under(mistake: Mistake): Promise<Fleets>;
}

/** @throws Error when a fleet does not come up. `faults` are kinds that every seed has beside its own. */
export async function openFleets(faults: readonly string[] = []): Promise<Fleets> {
  const programs = await loadPrograms();
  const templates: Template[] = [];
  for (const layout of layouts) templates.push(templateOf(await deployed(layout, programs)));
  // The first deploy is the unmutated programs': what is to be shown is what happens afterwards.
  const fleetsOf = (under: Programs, { provokedBy = [], orders, layout }: Provocation): Fleets => ({
    run: (seed, print) =>
      simulate({
        ...{ seed, templates, programs: under, print, orders, layout },
        faults: [...faults, ...provokedBy],
        isProvoked: provokedBy.length > 0 || orders !== undefined,
      }),
    under: async (mistake) => fleetsOf(await loadPrograms(mistake), mistake),
  });
  return fleetsOf(programs, {});
}

async function loadPrograms(mutation?: Mutation): Promise<Programs> {
  const [agent, controller] = [
    await loadProgram('agent', mutation),
    await loadProgram('controller', mutation),
  ];
  if (mutation !== undefined && agent.mutations + controller.mutations < editsOf(mutation).length)
    throw new Error(`mutation ${mutation.name}: ${mutation.file} is in neither program`);
  return { agent: agent.program, controller: controller.program };
}
