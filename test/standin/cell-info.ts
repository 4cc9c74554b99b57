// What a stand-in says of itself, with the fields that its version has, in the recorded order.
import { statfsSync } from 'node:fs';
import { cpus, freemem, totalmem } from 'node:os';
import { allocatedBytes } from '@leafward/agent/backups/allocated-bytes.js';
import type { Cell } from './cell.js';
import type { Packable } from './pack.js';

type Fields = Record<string, Packable>;

export function cellInfo(cell: Cell): Packable {
  const { settings } = cell;
  const release = releaseOf(cell);
  const since = (minor: number, fields: Fields): Fields => (settings.minor >= minor ? fields : {});
  const position = cell.log.next;
  return {
    synapse: release,
    cell: {
      ...since(157, { run: cell.runId }),
      type: settings.type,
      iden: cell.iden,
      ...since(186, { paused: cell.paused }),
      active: cell.active,
      ...since(216, { safemode: false }),
      ...since(157, { started: cell.startedAt }),
      ready: cell.ready,
      ...release,
      cellvers: dataVersions(cell),
      ...since(117, { nexsindx: position }),
      ...since(124, { uplink: cell.uplink }),
      ...since(185, { mirror: cell.mirror }),
      ...since(161, { aha: ahaPart(settings.name) }),
      ...since(200, { network: { https: [] } }),
      ...since(232, {
        nexus: {
          indx: position,
          ready: cell.ready,
          'uplink:ready': cell.uplink && cell.ready,
          readonly: cell.readOnly,
          holds: [],
        },
      }),
    },
    features: featuresOf(settings.minor),
    ...since(236, { optimized: null }),
  };
}

function releaseOf(cell: Cell): Fields {
  const version = cell.settings.version.split('.').map(Number);
  return { commit: '', version, verstring: cell.settings.version };
}

function dataVersions(cell: Cell): Packable {
  if (cell.settings.minor < 200) return { 'cortex:defaults': 1 };
  return {
    'cell:storage': 2,
    'cortex:defaults': 2,
    'cortex:extmodel': 1,
    'cortex:storage': 7,
    'drive:storage': 2,
    'nexus:version': [2, 177],
  };
}

function ahaPart(name: string): Packable {
  const [member = '', service = '', ...network] = name.split('.');
  return { name: `${member}.${service}`, leader: service, network: network.join('.') };
}

export function featuresOf(minor: number): Fields {
  if (minor < 200) return { tellready: true, dynmirror: true };
  return { tellready: 1, dynmirror: 1, tasks: 1, issuewait: 1, shutdowndrain: 1 };
}

export function healthCheck(cell: Cell): Packable {
  const component = { status: 'nominal', name: cell.settings.type, mesg: '', data: {} };
  return { iden: cell.iden, components: [component], status: 'nominal' };
}

export async function systemInfo(cell: Cell): Promise<Packable> {
  const volume = statfsSync(cell.settings.storage);
  const volsize = volume.blocks * volume.bsize;
  const volfree = volume.bavail * volume.bsize;
  const realdisk = await allocatedBytes(cell.settings.storage, new AbortController().signal);
  return {
    volsize,
    volfree,
    backupvolsize: volsize,
    backupvolfree: volfree,
    cellstarttime: cell.startedAt,
    celluptime: Date.now() - cell.startedAt,
    cellrealdisk: realdisk,
    cellapprdisk: realdisk,
    osversion: process.platform,
    pyversion: '3.11.2',
    totalmem: totalmem(),
    availmem: freemem(),
    cpucount: cpus().length,
    ...(cell.settings.minor < 200 ? {} : { sysctls: {}, tmpdir: '/tmp' }),
  };
}
