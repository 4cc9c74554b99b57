// The programs and the deployed fleets that every seed of a run begins with; made once a process.
import { layouts } from './layouts.js';
import { loadProgram, type Mutation } from './load.js';
import { deployed, simulate } from './simulate.js';
import { templateOf, type Template } from './template.js';
import type { Verdict } from './verdict.js';
import type { Programs } from './world.js';

export interface Fleets {
  run(seed: number, print?: (line: string) => void): Promise<Verdict>;
}

/** @throws Error when a mutation does not apply, or an unmutated fleet does not come up. */
export async function openFleets(mutation?: Mutation): Promise<Fleets> {
  const programs = await loadPrograms();
  const templates: Template[] = [];
  for (const layout of layouts) templates.push(templateOf(await deployed(layout, programs)));
  // The first deploy is the unmutated programs': what is to be shown is what happens afterwards.
  const under = mutation === undefined ? programs : await loadPrograms(mutation);
  return { run: (seed, print) => simulate({ seed, templates, programs: under, print }) };
}

async function loadPrograms(mutation?: Mutation): Promise<Programs> {
  const [agent, controller] = [
    await loadProgram('agent', mutation),
    await loadProgram('controller', mutation),
  ];
  if (mutation !== undefined && agent.mutations + controller.mutations === 0)
    throw new Error(`mutation ${mutation.name}: ${mutation.file} is in neither program`);
  return { agent: agent.start, controller: controller.start };
}
