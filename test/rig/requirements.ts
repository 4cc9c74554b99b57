// What a test needs of the machine besides Node, and how a suite says that it is not there.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { plainEnvironment } from './processes.js';

type Need = 'engine' | 'hosts' | 'prometheus';

const programs: Readonly<Record<Need, Readonly<Record<string, string>>>> = {
  engine: {
    dockerd: 'docker.io',
    docker: 'docker.io',
    'docker-registry': 'docker-registry',
    busybox: 'busybox-static',
    ip: 'iproute2',
    nsenter: 'util-linux',
  },
  hosts: { 'systemd-nspawn': 'systemd-container', iptables: 'iptables' },
  prometheus: { prometheus: 'prometheus', promtool: 'prometheus' },
};
/** What else a need needs. */
const besides: Readonly<Record<Need, readonly Need[]>> = {
  engine: [],
  hosts: ['engine'],
  prometheus: [],
};

/** Why it cannot run here, in one line; undefined when it can. */
export function missingFor(need: Need): string | undefined {
  if (need !== 'prometheus' && process.getuid?.() !== 0) return 'it needs root';
  const wanted = [need, ...besides[need]].flatMap((one) => Object.entries(programs[one]));
  const missing = wanted.filter(([program]) => !isInstalled(program));
  if (missing.length === 0) return undefined;
  const packages = [...new Set(missing.map(([, name]) => name))].join(' ');
  return `${missing.map(([program]) => program).join(', ')} missing (apt-get install ${packages})`;
}

/**
 * For a suite's first `before`: skips it with one line where it cannot run. With LEAFWARD_CI=1 nothing is
 * skipped: there it fails.
 */
export function requireOrSkip(context: Mocha.Context, need: Need): void {
  const missing = missingFor(need);
  if (missing === undefined) return;
  if (process.env.LEAFWARD_CI === '1') throw new Error(`cannot run here: ${missing}`);
  console.log(`      skipped: ${missing}`);
  context.skip();
}

function isInstalled(program: string): boolean {
  const folders = plainEnvironment.PATH?.split(':') ?? [];
  return folders.some((folder) => existsSync(join(folder, program)));
}
