// leafward secret: values that members get and nobody sees. A value comes from stdin or a file, never from the
// command line, where `ps` and the shell's history would keep it; it is printed nowhere (I14).
import { Option, type Command } from 'commander';
import { addCommand, type Tree } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { renderSecret, renderSecrets } from '../render/secrets.js';

export function addSecret(program: Command, tree: Tree): void {
  const secret = program
    .command('secret')
    .description('values for the environment of members: list, set, remove');
  addCommand(secret, tree, {
    usage: 'list',
    summary: 'all secrets: version, who set it, who uses it; never a value',
    async act(run) {
      const { secrets } = await (await run.client()).listSecrets({}, run.call);
      run.show(secrets, renderSecrets);
    },
  });
  addCommand<{ fromFile?: string }>(secret, tree, {
    usage: 'set <name>',
    summary: 'make a secret, or give it a new value',
    options: [
      new Option('--from-file <path>', 'read the value from a file; default: stdin, or ask for it'),
    ],
    more: `One newline at the end of the value is left out.
In fleet.yaml: environment: { PASSWORD: { secret: NAME } }. A new value reaches members with the next deploy.`,
    async act(run, { fromFile }, name = '') {
      const { signal, readInput, readSecret } = run.context;
      const text = await (fromFile === undefined
        ? readSecret(`Value of ${name}: `, signal)
        : readInput(fromFile, signal));
      const client = await run.client();
      const request = { name, plaintext: text.replace(/\r?\n$/, '') };
      const made = await client.setSecret(request, run.call);
      run.show(made.secret, renderSecret);
    },
  });
  addCommand<{ yes?: boolean }>(secret, tree, {
    usage: 'remove <name>',
    summary: 'forget a secret; refused while a member uses it',
    options: [new Option('-y, --yes', 'do not ask')],
    async act(run, { yes }, name = '') {
      if (!(await run.confirm(`Remove secret ${name}?`, yes === true))) return EXIT.refused;
      const client = await run.client();
      const done = await client.removeSecret({ name }, run.call);
      run.show(done, () => `secret ${name} is removed`);
      return EXIT.done;
    },
  });
}
