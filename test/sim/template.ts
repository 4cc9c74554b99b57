// What a first deploy left on disks and in the store, as data: every seed begins with a cold start from it, since what
// is in memory cannot be copied and what is on disks can.
import type { Backup } from '@leafward/shared/gen/domain.js';
import type { Topology } from '@leafward/shared/topology.js';
import type { Container, Storage } from './cells.js';
import type { Disk, Inode } from './disk.js';
import type { Layout } from './layouts.js';
import { World, type Programs } from './world.js';

export interface Template {
  readonly layout: Layout;
  readonly store: Buffer;
  readonly machines: ReadonlyMap<string, MachineImage>;
  readonly storages: readonly Storage[];
  readonly containers: readonly Container[];
  readonly services: ReadonlyMap<string, ServiceImage>;
  readonly orders: ReadonlyMap<string, OrderImage>;
}

type OrderImage = Pick<
  ReturnType<World['checkers']['memoryOf']>,
  'generation' | 'epoch' | 'members'
>;

interface MachineImage {
  readonly state: Inode;
  readonly data: Inode;
  readonly images: readonly string[];
  readonly backups: readonly Backup[];
}

interface ServiceImage {
  readonly leader: string | undefined;
  readonly line: readonly number[];
  readonly topology: Topology | undefined;
}

export function templateOf(world: World): Template {
  const machines = new Map<string, MachineImage>();
  for (const [name, { state, data, runtime, backups }] of world.machines)
    machines.set(name, {
      state: state.root,
      data: data.root,
      images: [...runtime.images],
      backups: [...backups],
    });
  const services = new Map<string, ServiceImage>();
  for (const [name, { leader, line, topology }] of world.checkers.services)
    services.set(name, { leader, line: [...line], topology });
  const orders = new Map(
    [...world.checkers.memories].map(([host, { generation, epoch, members }]) => [
      host,
      { generation, epoch, members },
    ]),
  );
  return {
    layout: world.options.layout,
    store: world.store.copy(),
    machines,
    storages: [...world.cells.storages.values()].map((one) => ({ ...one, log: [...one.log] })),
    containers: [...world.cells.containers.values()],
    services,
    orders,
  };
}

function copyTree(disk: Disk, from: Inode, to: Inode): void {
  for (const [name, inode] of from.entries ?? []) {
    const copy = disk.inode(inode.entries !== undefined);
    copy.data = inode.data;
    copy.durable = inode.data;
    copy.changedAt = inode.changedAt;
    to.entries?.set(name, copy);
    copyTree(disk, inode, copy);
  }
}

/** The fleet after a power cut of everything, before anything was started. */
export function worldFrom(
  template: Template,
  options: {
    readonly seed: number;
    readonly programs: Programs;
    readonly print?: ((line: string) => void) | undefined;
  },
): World {
  const world = new World({ ...options, layout: template.layout, store: template.store });
  for (const [name, image] of template.machines) {
    const machine = world.machine(name);
    copyTree(machine.state, image.state, machine.state.root);
    copyTree(machine.data, image.data, machine.data.root);
    for (const digest of image.images) machine.runtime.images.add(digest);
    machine.backups.push(...image.backups);
  }
  for (const storage of template.storages) world.cells.adopt({ ...storage, log: [...storage.log] });
  for (const { member, service, host, spec, specDigest } of template.containers)
    world.cells.create(host, { member, service, spec, specDigest }).state = 'exited';
  world.cells.continueWritesFrom(Math.max(0, ...template.storages.flatMap(({ log }) => log)));
  for (const [name, { leader, line, topology }] of template.services)
    Object.assign(world.checkers.serviceOf(name), {
      leader,
      line: [...line],
      topology,
      term: topology?.term ?? 0,
    });
  for (const [host, order] of template.orders) Object.assign(world.checkers.memoryOf(host), order);
  return world;
}
