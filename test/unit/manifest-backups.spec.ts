// Where a manifest may say that backups lie: in nobody's data (I13).
import { expect } from 'chai';
import { problems } from './manifest-problems.js';

const manifest = (change: {
  readonly backup?: string;
  readonly own?: string;
  readonly more?: string;
}): string =>
  `fleet: loop
hosts: { alpha: { address: 10.0.0.1 }, bravo: { address: 10.0.0.2 } }
kinds:
  store:
    commands:
      role: { run: [store, role] }
      position: { run: [store, position] }
      storedUpstream: { run: [store, stored] }
      setUpstream: { run: [store, mirror, '{upstreamUrl}'] }
      clearUpstream: { run: [store, lead] }
      backup: { run: [store, backup, '{directory}'] }
services:
  orders:
    kind: store
    runtime: process
    image: /opt/store-1.0.0.sh
    command: ['{image}']
    storage: /srv/{member}
    ports: { main: 4000 }
    environment: { PGDATA: '/srv/{member}/cluster/main' ${change.more ?? ''} }
    ${change.backup === undefined ? '' : `backup: { directory: '${change.backup}' }`}
    members:
      00.orders: { host: alpha ${change.own === undefined ? '' : `, backupDirectory: '${change.own}'`} }
      01.orders: { host: bravo, upstream: 00.orders }
  parcels:
    { kind: store, runtime: process, image: /opt/store-1.0.0.sh, command: ['{image}'], storage: '/srv/{member}',
      members: { 00.parcels: { host: alpha } } }
`;

const ELSEWHERE = 'name a directory elsewhere (I13)';

describe('backups in a manifest', () => {
  it('lie in a directory of their own, in the storage or elsewhere', () => {
    for (const backup of ['/srv/backups', '/srv/{member}/backups', '/srv/{member}.backups/x/y'])
      expect(problems(manifest({ backup })), backup).to.deep.equal([]);
    // What a program is told about its backups makes no data of them.
    const more = ", BACKUPS: '/srv/{member}/copies'";
    expect(problems(manifest({ more, own: '/srv/00.orders/copies' }))).to.deep.equal([]);
  });

  it('never lie among the data, nor below what may hold it', () => {
    const told = (own: string): string | undefined => {
      const [problem, ...others] = problems(manifest({ own }));
      expect(others).to.deep.equal([]);
      const place = /^\d+:\d+ services\.orders\.members\["00\.orders"\]\.backupDirectory: (.*)$/;
      return place.exec(problem ?? '')?.[1];
    };
    const said = (directory: string, why: string): string =>
      `backups of 00.orders in ${directory} would lie ${why}; ${ELSEWHERE}`;
    for (const [directory, why] of [
      ['/srv/00.orders', 'among its data, right in its storage'],
      ['/srv//00.orders/./', 'among its data, right in its storage'],
      ['/srv/00.orders/data', 'in data of its storage, which holds its data'],
      ['/srv/00.orders/cluster', 'in cluster of its storage, which holds its data'],
      ['/srv/00.orders/data/backups', 'below data of its storage, which may hold its data'],
      ['/srv/00.parcels', 'in the storage of 00.parcels, /srv/00.parcels'],
      ['/srv/00.parcels/backups', 'in the storage of 00.parcels, /srv/00.parcels'],
    ] as const)
      expect(told(directory), directory).to.equal(said(directory, why));
    // Another host's storage is another directory.
    expect(problems(manifest({ own: '/srv/01.orders/backups' }))).to.deep.equal([]);
  });

  it('are told once where their service says it', () => {
    expect(problems(manifest({ backup: '/srv/{member}/data' }))).to.deep.equal([
      `21:15 services.orders.backup.directory: backups of 00.orders in /srv/00.orders/data would lie in data of its storage, which holds its data; ${ELSEWHERE}`,
    ]);
  });
});
