// One life of an agent's work on copies, to be killed in it. Arguments: one JSON object.
import { openHost, PASSWORD_VARIABLE } from './stage.js';

export interface CopyLife {
  readonly root: string;
  readonly host: string;
  readonly act: 'copy' | 'fetch';
  readonly backup: string;
}

async function live({ root, host, act, backup }: CopyLife): Promise<void> {
  const password = process.env[PASSWORD_VARIABLE] ?? '';
  const stage = await openHost({ root, host, password });
  const { offsite, catalogue, intent } = stage;
  const known = catalogue.list().find(({ name }) => name === backup);
  if (act === 'fetch') await offsite.fetch({ backup, snapshot: '' }, intent, stage.turn());
  else if (known === undefined) throw new Error(`there is no backup ${backup}`);
  else await offsite.copy(known, intent, stage.turn());
}

const [life = '{}'] = process.argv.slice(2);
await live(JSON.parse(life) as CopyLife);
