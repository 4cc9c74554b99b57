import { layouts } from './layouts.js';
import { loadProgram } from './load.js';
import { deployed } from './simulate.js';
process.on('unhandledRejection', (e) => { console.log('UNHANDLED', e); });
const t0 = performance.now();
const programs = { agent: await loadProgram('agent'), controller: await loadProgram('controller') };
console.log('load', performance.now() - t0);
for (const layout of layouts) {
  const t = performance.now();
  const world = await deployed(layout, programs, process.argv[2] === '-v' ? console.log : undefined);
  console.log(world.trace.hash(), world.now, world.scheduler.events, performance.now() - t, JSON.stringify(world.checkers.counts));
}
