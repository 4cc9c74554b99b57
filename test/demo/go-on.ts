// What the demo says last: how to try things by hand, in lines that can be copied as they are.
import { join } from 'node:path';
import type { DemoContext } from './context.js';
import { NEWEST, type DemoFleet } from './main-story.js';

export function sayHowToGoOn({ say, dir, isKept }: DemoContext, { local }: DemoFleet): void {
  if (!isKept) {
    say('\nAll of it was so. To try it by hand, with everything left running:');
    say('    npm run demo -- --keep');
    return;
  }
  say(
    '\nAll of it was so, and everything keeps running. In another terminal, from this directory:',
  );
  for (const line of [
    'export PATH="$PWD/node_modules/.bin:$PATH"',
    `export LEAFWARD_HOME=${join(dir, 'operator')}`,
    'leafward status --watch',
    'leafward why 01.cortex',
    'leafward host check alpha',
    'leafward plan promote cortex --to 02.cortex',
    `leafward plan update cortex --image ${join(dir, 'images', `cell-${NEWEST}.cjs`)}`,
    'leafward operation list --all',
    `curl http://127.0.0.1:${local.metricsPort}/metrics`,
  ])
    say(`    ${line}`);
  say('\nCtrl-C here ends and removes all of it.');
}
