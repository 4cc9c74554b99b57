// A chain and its key for a cell's HTTPS listener: checked, put into the storage, read again by the cell where it can.
// The key is in no text and, but for the storage, on no disk (I14).
import { LeafwardError } from '@leafward/shared/errors.js';
import type { HttpsInstalled } from '@leafward/shared/gen/domain.js';
import {
  certificatesIn,
  checkHttpsChain,
  expiryOf,
  nameOf,
} from '@leafward/shared/pki/https-chain.js';
import {
  finishHttps,
  HTTPS_CERTIFICATE,
  HTTPS_KEY,
  installHttps as install,
} from '../../engines/synapse/https/install.js';
import { reloadHttps } from '../../engines/synapse/https/reload.js';
import type { Result } from '../../requests.js';
import { requireCell } from './act-on-cell.js';
import { refuseUnfit, type Kind, type Turn } from './parts.js';

/** @throws LeafwardError `invalid`, `refused`, `failed`; the files are as they were then. */
export async function installHttps(
  request: Kind<'install-https'>,
  { parts, signal }: Turn,
): Promise<Result> {
  const intent = await refuseUnfit(request, { run: 'running' }, parts);
  requireCell(intent, 'where it keeps a certificate is not known');
  const { member, spec } = intent;
  const mounted = spec.mounts.find(({ target }) =>
    [HTTPS_CERTIFICATE, HTTPS_KEY].some((file) => target === `${spec.storageTarget}/${file}`),
  );
  if (mounted !== undefined)
    throw new LeafwardError(
      'refused',
      `${member} has ${mounted.target} mounted from ${mounted.source} by its manifest: replace that file, or take the mount out`,
    );
  const { certificatePem, secret: keyPem } = request;
  if (keyPem === undefined) {
    // The agent ended in the middle: what it had on the disk counts, the key itself is gone.
    if (!(await finishHttps(spec.storage)))
      throw new LeafwardError(
        'failed',
        `install a certificate for ${member}: the key was lost on its way, since a controller or an agent began anew; nothing was changed, give both again`,
      );
  } else {
    const chain = checkHttpsChain({ certificatePem, keyPem, now: parts.clock.now() });
    await install(spec.storage, chain);
  }
  return { https: await told(certificatePem, spec.storage, signal) };
}

async function told(
  certificatePem: string,
  storage: string,
  signal: AbortSignal,
): Promise<HttpsInstalled> {
  const chain = certificatesIn(certificatePem);
  const [leaf] = chain;
  const reason = await reloadHttps(storage, signal);
  return {
    subject: leaf === undefined ? '' : nameOf(leaf),
    expiresAt: expiryOf(chain),
    reloaded: reason === undefined,
    ...(reason === undefined ? {} : { reason }),
  };
}
