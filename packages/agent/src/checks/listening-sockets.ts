// Who listens on a TCP port of this host, from /proc/net/tcp* and /proc/<pid>/fd. Reads only.
import { readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import type { HostRoots } from './check.js';
import { readText } from './kernel-files.js';
import { isWithin } from './mounts.js';
import { listPids } from './processes.js';

export interface ListeningSocket {
  readonly port: number;
  /** 0.0.0.0 or :: for every address. */
  readonly address: string;
  readonly inode: string;
}

export interface SocketOwner {
  readonly pid: number;
  readonly program: string;
}

/** State of a listening socket in /proc/net/tcp (include/net/tcp_states.h). */
const LISTEN = '0A';
/** One process with more descriptors than this is looked at in part. */
const MAX_DESCRIPTORS = 16_384;

export function readListening(roots: HostRoots): readonly ListeningSocket[] {
  return ['net/tcp', 'net/tcp6'].flatMap((file) => {
    const lines = (readText(join(roots.proc, file)) ?? '').split('\n').slice(1);
    return lines.flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      const [local, state, inode] = [fields[1], fields[3], fields[9]];
      if (local === undefined || state !== LISTEN || inode === undefined) return [];
      const [address = '', port = ''] = local.split(':');
      return [{ port: Number.parseInt(port, 16), address: addressIn(address), inode }];
    });
  });
}

/** The kernel writes each 32 bits of an address in the order of this machine: little-endian on all that run Node. */
function addressIn(hex: string): string {
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) => (word.match(/../g) ?? []).reverse());
  const numbers = bytes.map((byte) => Number.parseInt(byte, 16));
  if (numbers.length === 4) return numbers.join('.');
  const isMapped = /^0{20}f{4}/i.test(bytes.join(''));
  if (isMapped) return numbers.slice(12).join('.');
  const groups = (bytes.join('').match(/.{4}/g) ?? []).map((group) =>
    group.replace(/^0+(?=.)/, ''),
  );
  return groups.every((group) => group === '0') ? '::' : groups.join(':').toLowerCase();
}

/**
 * Processes that hold one of these sockets, by inode. One walk over /proc/<pid>/fd for all of them.
 */
export function findOwners(
  roots: HostRoots,
  inodes: ReadonlySet<string>,
): ReadonlyMap<string, SocketOwner> {
  const owners = new Map<string, SocketOwner>();
  for (const pid of listPids(roots)) {
    if (owners.size === inodes.size) break;
    for (const link of readDescriptors(roots, pid)) {
      const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1];
      if (inode === undefined || !inodes.has(inode) || owners.has(inode)) continue;
      owners.set(inode, {
        pid,
        program: readText(join(roots.proc, String(pid), 'comm'))?.trim() ?? '?',
      });
    }
  }
  return owners;
}

/**
 * True when the process is this member's: it sees the member's storage at its target (a container),
 * or works in it, or has a file of it open, or was told of it on its command line.
 */
export function isProcessOf(roots: HostRoots, pid: number, member: MemberIntent): boolean {
  const { storage, storageTarget } = member.spec;
  const base = join(roots.proc, String(pid));
  if (storageTarget !== '' && isSameDirectory(join(base, 'root', storageTarget), storage))
    return true;
  const workingDirectory = readLink(join(base, 'cwd'));
  if (workingDirectory !== undefined && isWithin(workingDirectory, storage)) return true;
  const words = (readText(join(base, 'cmdline')) ?? '').split('\0');
  if (words.some((word) => word === storage || word.endsWith(`=${storage}`))) return true;
  return readDescriptors(roots, pid).some((link) => isWithin(link, storage));
}

function readDescriptors(roots: HostRoots, pid: number): readonly string[] {
  const directory = join(roots.proc, String(pid), 'fd');
  try {
    return readdirSync(directory)
      .slice(0, MAX_DESCRIPTORS)
      .flatMap((name) => readLink(join(directory, name)) ?? []);
  } catch {
    return [];
  }
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function isSameDirectory(a: string, b: string): boolean {
  try {
    const [one, other] = [statSync(a), statSync(b)];
    return one.dev === other.dev && one.ino === other.ino;
  } catch {
    return false;
  }
}
