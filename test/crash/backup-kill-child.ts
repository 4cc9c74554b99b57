// One life of an agent that is killed in a backup, as soon as a file is there. Arguments: one JSON object.
import { existsSync } from 'node:fs';
import { eventually } from '../conformance/runtime.js';
import { openStage, permitOf } from './agent-stage.js';
import { backupRequest, storyOf, type BackupStory } from './backup-story.js';
import { die } from './cut.js';

const story = JSON.parse(process.argv[2] ?? '{}') as BackupStory & { readonly dieAt: string };
const { member, stateDirectory } = storyOf(story);
const stage = await openStage({ stateDirectory, permits: [permitOf(member.member, 1)] });
stage.order({ host: 'alpha', generation: 1, epoch: 1, members: [member] });
await eventually(
  () => stage.reports.at(-1)?.members[0]?.engine.active,
  (active) => active === true,
  'it leads',
  60_000,
);
const watching = setInterval(() => {
  if (existsSync(story.dieAt)) void die();
}, 1);
stage.ask(backupRequest('b1'));
await eventually(
  () => stage.outcome('backup-b1'),
  (outcome) => outcome !== undefined,
  'it ends',
  60_000,
);
clearInterval(watching);
// It was faster than the look at its files.
process.exit(0);
