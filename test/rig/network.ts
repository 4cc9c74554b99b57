// One network namespace a peer, joined by a bridge that has a namespace of its own. The first peer is
// 10.77.0.1, the next 10.77.0.2 and so on. Nothing leaves these namespaces.
import { run } from './processes.js';
import { HOSTS_NETWORK } from './remains.js';

export interface Peer {
  readonly name: string;
  readonly address: string;
  /** Path of its network namespace. */
  readonly namespacePath: string;
  /** A program with its arguments, as it is run in this peer's network by someone outside. */
  inNetwork(argv: readonly string[]): readonly string[];
  /** A silent black hole: the link stays up and nothing passes. */
  partition(): Promise<void>;
  /** Ends a partition and every one-way drop. */
  heal(): Promise<void>;
  /** One way: what comes from this peer's address is dropped here. */
  dropFrom(other: Peer): Promise<void>;
}

export interface Network {
  readonly peers: ReadonlyMap<string, Peer>;
}

/** `prefix` makes the namespaces' names unique on the machine. */
export async function makeNetwork(prefix: string, names: readonly string[]): Promise<Network> {
  const bridge = `${prefix}-switch`;
  await run(['ip', 'route', 'replace', 'unreachable', HOSTS_NETWORK]);
  await run(['ip', 'netns', 'add', bridge]);
  const commands = ['link add br0 type bridge', 'link set br0 up', 'link set lo up'];
  await batch(bridge, commands);
  const peers = new Map<string, Peer>();
  for (const [index, name] of names.entries())
    peers.set(name, await attach({ prefix, bridge, name, address: `10.77.0.${index + 1}` }));
  return { peers };
}

interface Attachment {
  readonly prefix: string;
  readonly bridge: string;
  readonly name: string;
  readonly address: string;
}

async function attach({ prefix, bridge, name, address }: Attachment): Promise<Peer> {
  const namespace = `${prefix}-${name}`;
  const port = `v-${name}`.slice(0, 15);
  await run(['ip', 'netns', 'add', namespace]);
  const link = ['ip', 'link', 'add', port, 'netns', bridge];
  await run([...link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace]);
  await batch(bridge, [`link set ${port} master br0 up`]);
  await batch(namespace, [`addr add ${address}/24 dev eth0`, 'link set lo up', 'link set eth0 up']);
  const namespacePath = `/run/netns/${namespace}`;
  // nsenter and not `ip netns exec`: that one mounts a /sys of its own, without the control groups.
  const inNetwork = (argv: readonly string[]): readonly string[] => [
    'nsenter',
    `--net=${namespacePath}`,
    '--',
    ...argv,
  ];
  return {
    name,
    address,
    namespacePath,
    inNetwork,
    partition: () => batch(bridge, [`link set ${port} nomaster`]),
    heal: async () => {
      await batch(bridge, [`link set ${port} master br0`]);
      await run(inNetwork(['iptables', '-F', 'INPUT']));
    },
    dropFrom: async (other) => {
      await run(inNetwork(['iptables', '-A', 'INPUT', '-s', other.address, '-j', 'DROP']));
    },
  };
}

async function batch(namespace: string, commands: readonly string[]): Promise<void> {
  await run(['ip', '-n', namespace, '-batch', '-'], { input: `${commands.join('\n')}\n` });
}

/** A namespace with nothing but a loopback, for one Engine and its registry. */
export async function makeLoopback(prefix: string): Promise<(argv: readonly string[]) => string[]> {
  const namespace = `${prefix}-loopback`;
  await run(['ip', 'netns', 'add', namespace]);
  await batch(namespace, ['link set lo up']);
  return (argv) => ['nsenter', `--net=/run/netns/${namespace}`, '--', ...argv];
}
