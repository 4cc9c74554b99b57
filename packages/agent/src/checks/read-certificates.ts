// Reads when the certificates in the members' storages end: those of Telepath below certs/, and the HTTPS listener's.
// Bounded in files and bytes; one that did not change is not read again.
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { constants } from 'node:fs';
import { messageOf } from '@leafward/shared/errors.js';
import type { CellCertificate, MemberIntent } from '@leafward/shared/gen/domain.js';
import { certificatesIn, expiryOf, nameOf } from '@leafward/shared/pki/https-chain.js';
import { engineNameOf } from '../engines/registry.js';
import { createSingleFlight } from './single-flight.js';

export interface CertificateFacts {
  readonly found: readonly CellCertificate[];
  readonly unreadable: readonly { readonly member: string; readonly problem: string }[];
}

export interface CertificateReader {
  read(members: readonly MemberIntent[], signal: AbortSignal): Promise<CertificateFacts>;
}

const AUTHORITIES = 'certs/cas';
/** Those that have their keys beside them: AHA keeps one of each service and user that it ever signed for. */
const OWN = ['certs/hosts', 'certs/users'];
const HTTPS = 'sslcert.pem';
/** A cell has some three; the first of them in their order count. */
const MOST_FILES = 64;
const MOST_BYTES = 128 * 1024;
/** Of a volume that hangs. */
const DEADLINE_MS = 2_000;

interface Known {
  readonly mark: string;
  readonly subject: string;
  readonly expiresAt: number;
}

export function createCertificateReader(): CertificateReader {
  const flight = createSingleFlight();
  let known = new Map<string, Known>();
  return {
    async read(members, signal) {
      const cells = members.filter(
        (one) => engineNameOf(one) === 'synapse' && one.run !== 'removed',
      );
      const next = new Map<string, Known>();
      const found: CellCertificate[] = [];
      const unreadable: { readonly member: string; readonly problem: string }[] = [];
      for (const { member, service, spec } of cells) {
        try {
          const read = (): Promise<readonly Read[]> => readStorage(spec.storage, known);
          const limit = { deadlineMs: DEADLINE_MS, signal };
          for (const one of await flight(`certificates in ${spec.storage}`, read, limit)) {
            if (typeof one.known === 'string') {
              unreadable.push({ member, problem: `${one.file}: ${one.known}` });
              continue;
            }
            next.set(join(spec.storage, one.file), one.known);
            const { subject, expiresAt } = one.known;
            found.push({ member, service, file: one.file, subject, expiresAt });
          }
        } catch (error) {
          unreadable.push({ member, problem: messageOf(error) });
        }
      }
      known = next;
      return { found, unreadable };
    },
  };
}

interface Read {
  readonly file: string;
  /** A text says why it could not be read. */
  readonly known: Known | string;
}

async function readStorage(
  storage: string,
  known: ReadonlyMap<string, Known>,
): Promise<readonly Read[]> {
  const files: string[] = [];
  for (const directory of [AUTHORITIES, ...OWN]) {
    const names = new Set(await readdir(join(storage, directory)).catch(() => []));
    const isMeant = (name: string): boolean =>
      name.endsWith('.crt') &&
      (directory === AUTHORITIES || names.has(name.replace(/crt$/, 'key')));
    files.push(
      ...[...names]
        .filter(isMeant)
        .sort()
        .map((name) => `${directory}/${name}`),
    );
  }
  const reads: Read[] = [];
  for (const file of [HTTPS, ...files].slice(0, MOST_FILES)) {
    const path = join(storage, file);
    const one = await readOne(path, known.get(path));
    if (one !== undefined) reads.push({ file, known: one });
  }
  return reads;
}

/** Undefined: it is not there. Through no link: whoever owns the storage would choose what is read. */
async function readOne(
  path: string,
  before: Known | undefined,
): Promise<Known | string | undefined> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const { mtimeMs, size, ino } = await file.stat();
      const mark = `${ino} ${mtimeMs} ${size}`;
      if (before?.mark === mark) return before;
      if (size > MOST_BYTES) return `${size} bytes are no certificate`;
      const chain = certificatesIn(await file.readFile('latin1'));
      const [leaf] = chain;
      if (leaf === undefined) return 'there is no certificate in it, as PEM';
      return { mark, subject: nameOf(leaf), expiresAt: expiryOf(chain) };
    } finally {
      await file.close();
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ELOOP' || code === 'ENOTDIR'
      ? undefined
      : messageOf(error);
  }
}
