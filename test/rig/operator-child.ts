// The operator's connection, kept open inside the controller's network: a question a line, its answer a line. What
// is asked again and again must not cost a process each time. Ends with its input.
import { createInterface } from 'node:readline';
import { connectOperator } from '@leafward/controller/cli/identity.js';
import { messageOf } from '@leafward/shared/errors.js';
import { openIdentity } from '@leafward/shared/pki/identity-keeper.js';
import type { Question } from './operator-line.js';

const DEADLINE_MS = 20_000;
const [home = ''] = process.argv.slice(2);
const keeper = await openIdentity(home);
let client = connectOperator(keeper);

async function answer({ operation }: Question): Promise<unknown> {
  const call = { signal: AbortSignal.timeout(DEADLINE_MS) };
  if (operation === undefined) return (await client.getStatus({}, call)).status;
  return (await client.getOperation({ id: operation }, call)).operation;
}

for await (const line of createInterface({ input: process.stdin })) {
  const said = await answer(JSON.parse(line) as Question).then(
    (value) => ({ value }),
    (error: unknown) => {
      // A controller that was killed: the next question finds it by a new connection, without waiting.
      client.close();
      client = connectOperator(keeper);
      return { error: messageOf(error) };
    },
  );
  process.stdout.write(`${JSON.stringify(said)}\n`);
}
client.close();
