// leafward synapse https-cert: a certificate of one's own for a cell's HTTPS API. The key is read from a file, goes to
// the member's host and nowhere else (I14).
import { Option, type Command } from 'commander';
import type { InstallHttpsResponse } from '@leafward/shared/gen/domain.js';
import { checkHttpsChain } from '@leafward/shared/pki/https-chain.js';
import { addCommand, required, type Tree } from '../command.js';

interface HttpsOptions {
  readonly cert: string;
  readonly key: string;
}

export function addSynapseHttps(synapse: Command, tree: Tree): void {
  addCommand<HttpsOptions>(synapse, tree, {
    usage: 'https-cert <member>',
    summary: "put a certificate and its key where a member's HTTPS API reads them",
    options: [
      required(new Option('--cert <file>', "PEM: the server's certificate, then who signed it")),
      required(new Option('--key <file>', 'PEM: its private key, without a passphrase')),
    ],
    more: `Both are checked first, here and on the host: they belong together, the chain is in order, its dates are right.
Cells from 2.145 on read them again at once; older ones when they start.`,
    async act(run, { cert, key }, member = '') {
      const { clock, readInput, signal } = run.context;
      const certificatePem = await readInput(cert, signal);
      const keyPem = await readInput(key, signal);
      const chain = checkHttpsChain({ certificatePem, keyPem, now: clock.now() });
      const client = await run.client();
      const request = { member, certificatePem: chain.chainPem, keyPem: chain.keyPem };
      run.show(await client.installHttps(request, run.call), renderInstalled);
    },
  });
}

function renderInstalled({ member, host, installed }: InstallHttpsResponse): string {
  const { subject, expiresAt, reloaded, reason = 'no reason given' } = installed;
  const said = `the certificate of ${subject}, good until ${new Date(expiresAt).toISOString().slice(0, 10)}, is on host ${host}`;
  if (reloaded) return `${said}, and ${member} uses it now`;
  return `${said}; ${member} uses it from its next start on: ${reason}\nRestart it when it suits: a mirror by itself, a leader after: leafward plan promote`;
}
