// What a real-host test needs of the machine, and how a suite says that it is not there.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { plainEnvironment } from './processes.js';

type Need = 'engine' | 'hosts';

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
};

/** Why it cannot run here, in one line; undefined when it can. */
export function missingFor(need: Need): string | undefined {
  if (process.getuid?.() !== 0) return 'it needs root';
  const wanted = { ...programs.engine, ...(need === 'hosts' ? programs.hosts : {}) };
  const missing = Object.entries(wanted).filter(([program]) => !isInstalled(program));
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
