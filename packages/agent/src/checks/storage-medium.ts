// Rule: storage is on a local disk file system. Asks the mount table, never the mount.
import { join } from 'node:path';
import type { Severity } from '@leafward/shared/gen/domain.js';
import { messageOf } from '@leafward/shared/errors.js';
import type { Check, CheckContext, CheckResult, HostRoots } from './check.js';
import { readText } from './kernel-files.js';
import { mountOf, readMounts, type MountPoint } from './mounts.js';
import { locate, storagesOf } from './volumes.js';

interface Verdict {
  readonly severity: Severity;
  readonly text: string;
}

const NETWORK = new Set([
  'nfs',
  'nfs4',
  'cifs',
  'smb3',
  'smbfs',
  '9p',
  'ceph',
  'afs',
  'lustre',
  'virtiofs',
]);
const MEMORY = new Set(['tmpfs', 'ramfs']);
/**
 * A mechanical disk cannot sync faster than about half a turn; below this the hint is wrong
 * (virtual disks).
 */
const SURELY_NO_DISK_P50_MS = 2;

export const storageMedium: Check = {
  id: 'storage-medium',
  why: 'Mechanical disks, NFS and NFS-based systems such as EFS are strongly discouraged; memory and container layers lose the data (devops guide, “Performance Tuning”)',
  source: 'devops guide, Performance Tuning; deployment guide, Preparing Hosts',
  fixable: false,
  run: async (context, signal) =>
    await Promise.all(
      [...storagesOf(context.members).keys()].map((path) => judgePath(path, context, signal)),
    ),
};

async function judgePath(
  path: string,
  context: CheckContext,
  signal: AbortSignal,
): Promise<CheckResult> {
  const mounts = readMounts(context.roots);
  // The declared path's own mount first: a dead network mount is judged without being touched.
  const declared = mountOf(mounts, path);
  let verdict = declared === undefined ? undefined : judgeMount(declared);
  let mount = declared;
  if (verdict === undefined || verdict.severity === 'ok') {
    try {
      mount = mountOf(mounts, (await locate(path, signal)).realPath);
    } catch (error) {
      return toResult(path, { severity: 'unknown', text: messageOf(error) });
    }
    verdict = mount === undefined ? undefined : judgeMount(mount);
  }
  if (mount === undefined || verdict === undefined)
    return toResult(path, {
      severity: 'unknown',
      text: 'no mount in /proc/self/mountinfo holds it',
    });
  const p50Ms = context.latency.get(path)?.p50Ms;
  const hint = verdict.severity === 'ok' && isRotational(context.roots, mount.device);
  if (!hint) return toResult(path, verdict);
  const refuted = p50Ms !== undefined && p50Ms > 0 && p50Ms < SURELY_NO_DISK_P50_MS;
  return toResult(path, {
    severity: refuted ? 'ok' : 'info',
    text: `${verdict.text}; the kernel calls it rotational, ${refuted ? 'its latency says it is not' : 'as it does with many virtual disks: its measured latency decides'}`,
  });
}

function judgeMount({ fileSystem, source }: MountPoint): Verdict {
  const text = `${fileSystem} from ${source}`;
  if (/(^|\.)efs\.[a-z0-9-]+\.amazonaws\.com/.test(source))
    return { severity: 'critical', text: `${text}: Amazon EFS` };
  if (NETWORK.has(fileSystem))
    return { severity: 'critical', text: `${text}: a network file system` };
  if (MEMORY.has(fileSystem))
    return { severity: 'critical', text: `${text}: memory, gone at the next reboot` };
  if (fileSystem === 'overlay' || fileSystem === 'aufs')
    return { severity: 'critical', text: `${text}: a container’s own layer, gone with it` };
  if (fileSystem === 'fuse' || fileSystem === 'fuseblk' || fileSystem.startsWith('fuse.'))
    return { severity: 'warning', text: `${text}: a file system in user space` };
  return { severity: 'ok', text };
}

/** The disk itself, or for a partition the disk it is part of. */
function isRotational(roots: HostRoots, device: string): boolean {
  const base = join(roots.sys, 'dev/block', device);
  const text = readText(`${base}/queue/rotational`) ?? readText(`${base}/../queue/rotational`);
  return text?.trim() === '1';
}

function toResult(path: string, { severity, text }: Verdict): CheckResult {
  return {
    subject: path,
    severity,
    seen: text,
    wanted: 'a local file system (ext4, xfs) on SSD or NVMe',
    fix:
      severity === 'ok'
        ? ''
        : 'move the storage to a local volume: stop the member, cp -a --sparse=always, change its storage in the manifest',
  };
}
