// What can happen to a leader, its host, its agent and its controller, as a real machine has it. Each strikes, and
// gives back how it is healed. Knows whether a failover by itself would be right.
import type { Host } from '../../rig/host.js';
import {
  DATA,
  enrolHost,
  startsWhileWatched,
  UNIT,
  type CortexOnHosts,
} from '../cortex-on-hosts.js';

export interface Struck {
  readonly cortex: CortexOnHosts;
  /** Who leads when it happens. */
  readonly leader: string;
  readonly host: Host;
}

export interface Fault {
  readonly name: string;
  /**
   * True: its leader is dead or out of reach for good, and somebody else must lead. Either: how long it takes decides
   * whether the leader's lease is over before, and both are right.
   */
  readonly failsOver: boolean | 'either';
  /** Returns what ends it. */
  strike(struck: Struck): Promise<() => Promise<void>>;
}

const nothing = (): Promise<void> => Promise.resolve();

/** SIGSTOP to a whole unit or to one container's processes; SIGCONT heals it. */
const paused = (name: string, failsOver: boolean, argvOf: (leader: string) => string[]): Fault => ({
  name,
  failsOver,
  strike: async ({ host, leader }) => {
    const signal = (word: string): Promise<string> =>
      host.exec(['sh', '-c', argvOf(leader).join(' '), 'sh', word]);
    await signal('STOP');
    return async () => {
      if (host.isUp()) await signal('CONT');
    };
  },
});

export const faults: readonly Fault[] = [
  {
    name: 'leader killed',
    failsOver: true,
    strike: async ({ host, leader }) => {
      await host.exec(['docker', 'kill', '--signal=KILL', `leafward-${leader}`]);
      return nothing;
    },
  },
  {
    name: 'power cut of the leader’s host',
    failsOver: true,
    strike: async ({ host }) => {
      await host.powerCut();
      return () => host.boot();
    },
  },
  {
    name: 'power cut, and back without network',
    failsOver: true,
    strike: async ({ host, leader }) => {
      await host.powerCut();
      return async () => {
        await host.partition();
        await host.boot();
        // What it starts without anybody's word it starts now.
        const started = await startsWhileWatched(host);
        await host.heal();
        const old = started.filter((name) => name === `leafward-${leader}`);
        if (old.length > 0) throw new Error(`${leader} was started without network`);
      };
    },
  },
  {
    name: 'leader’s host cut off',
    failsOver: true,
    strike: async ({ host }) => {
      await host.partition();
      return () => host.heal();
    },
  },
  {
    name: 'leader’s host hears nobody',
    failsOver: true,
    strike: async ({ host, cortex: { rig } }) => {
      const others = [rig.controller, ...rig.hosts.filter((one) => one !== host)];
      for (const other of others) await host.dropFrom(other);
      return () => host.heal();
    },
  },
  {
    name: 'nobody hears the leader’s host',
    failsOver: true,
    strike: async ({ host, cortex: { rig } }) => {
      const others = [rig.controller, ...rig.hosts.filter((one) => one !== host)];
      for (const other of others) await other.dropFrom(host);
      return async () => {
        for (const other of others) await other.heal();
      };
    },
  },
  {
    name: 'agent hangs in a host that is cut off',
    failsOver: true,
    strike: async ({ host }) => {
      await host.partition();
      await host.exec(['systemctl', 'kill', '--signal=SIGSTOP', UNIT]);
      return async () => {
        await host.heal();
        await host.exec(['systemctl', 'kill', '--signal=SIGCONT', UNIT]);
      };
    },
  },
  paused('agent paused', true, () => ['systemctl', 'kill', '--signal=SIG$1', UNIT]),
  paused('leader paused', false, (leader) => [
    ...['for', 'pid', 'in', `$(docker top leafward-${leader} -o pid | tail -n +2);`],
    ...['do', 'kill', '-$1', '$pid;', 'done'],
  ]),
  paused('Engine paused', false, () => ['systemctl', 'kill', '--signal=SIG$1', 'docker.service']),
  {
    name: 'Engine restarted',
    failsOver: false,
    strike: async ({ host }) => {
      await host.exec(['systemctl', 'restart', 'docker'], { timeoutMs: 60_000 });
      return nothing;
    },
  },
  {
    name: 'controller killed and started again',
    failsOver: false,
    strike: async ({ cortex: { fleet } }) => {
      fleet.controller().kill('SIGKILL');
      await fleet.controller().ended();
      return () => fleet.startController();
    },
  },
  {
    name: 'a mirror’s host cut off',
    failsOver: false,
    strike: async ({ host, cortex: { rig } }) => {
      const other = rig.hosts.find((one) => one !== host);
      await other?.partition();
      return async () => {
        await other?.heal();
      };
    },
  },
  {
    name: 'disk of the leader full',
    failsOver: false,
    strike: async ({ host }) => {
      const volume = host.volume(DATA);
      await volume.fill();
      return () => volume.release();
    },
  },
  {
    name: 'disk of the leader hangs',
    failsOver: false,
    strike: async ({ host }) => {
      const volume = host.volume(DATA);
      await volume.hang();
      return () => volume.thaw();
    },
  },
  {
    name: 'agent of the leader’s host installed anew',
    failsOver: 'either',
    strike: async ({ host, cortex }) => {
      await host.exec(['systemctl', 'disable', '--now', UNIT], { timeoutMs: 60_000 });
      await host.exec(['rm', '-rf', '/var/lib/leafward', '/usr/lib/leafward']);
      const reason = ['--yes', '--reason', 'installed anew'];
      await cortex.fleet.cli(['host', 'revoke', host.name, ...reason]);
      await enrolHost(cortex, host);
      return nothing;
    },
  },
  {
    name: 'Docker told to restart everything',
    failsOver: false,
    strike: async ({ host }) => {
      const all = '$(docker ps --all --quiet)';
      const script = `docker update --restart=always ${all} && docker restart ${all}`;
      await host.exec(['sh', '-c', script], { timeoutMs: 60_000 });
      return nothing;
    },
  },
];
