// Runs the test suites, one mocha process each, and ends with their sum. Without arguments: all that need
// nothing but Node. With names: those. A suite that cannot run here is said in one line with the reason;
// with LEAFWARD_CI=1 that is a failure. Properties are tried with one seed, so that a run can be had again; with
// LEAFWARD_SEED=random with another one each time. LEAFWARD_FAILURES names a file for the text of all failures.
import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const isRoot = process.getuid?.() === 0;
const has = (program) =>
  spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status === 0;
const needs = {
  root: () => isRoot || 'it needs root',
  docker: () => has('dockerd') || 'dockerd is not installed (apt-get install docker.io)',
  registry: () =>
    has('docker-registry') || 'docker-registry is not installed (apt-get install docker-registry)',
  nspawn: () =>
    has('systemd-nspawn') || 'systemd-nspawn is not installed (apt-get install systemd-container)',
  iptables: () => has('iptables') || 'iptables is not installed (apt-get install iptables)',
  postgresql: () =>
    existsSync('/usr/lib/postgresql/15/bin/postgres') ||
    'PostgreSQL 15 is not installed (apt-get install postgresql)',
  redis: () => has('redis-server') || 'Redis is not installed (apt-get install redis-server)',
  sshd: () =>
    has('sshd') ||
    existsSync('/usr/sbin/sshd') ||
    'sshd is not installed (apt-get install openssh-server)',
  rclone: () => has('rclone') || 'rclone is not installed (apt-get install rclone)',
  restic: () => has('restic') || 'restic is not installed (apt-get install restic)',
  prometheus: () => has('prometheus') || 'prometheus is not installed (apt-get install prometheus)',
};

const MOST_COMPLAINTS = 8_000;

/** Suites in the order in which they run: folder below test/, what it needs. */
const suites = [
  { name: 'unit' },
  { name: 'planning' },
  { name: 'sim' },
  { name: 'contract' },
  { name: 'conformance' },
  { name: 'crash' },
  // Mostly waits; each file has its own programs, ports and directories.
  { name: 'process', jobs: 2 },
  { name: 'offsite', needs: ['restic', 'sshd', 'rclone'] },
  { name: 'prometheus', needs: ['prometheus'] },
  { name: 'docker', needs: ['root', 'docker', 'registry'] },
  { name: 'hosts', needs: ['root', 'docker', 'registry', 'nspawn', 'iptables'] },
  {
    name: 'databases',
    needs: ['root', 'postgresql', 'redis', 'docker', 'registry', 'nspawn', 'iptables'],
    // Mostly waits; each file has its own servers, ports and hosts.
    jobs: 3,
  },
];
for (const need of suites.flatMap((suite) => suite.needs ?? []))
  if (needs[need] === undefined) throw new Error(`nothing says whether ${need} is here`);
const plain = suites.filter((suite) => suite.needs === undefined).map((suite) => suite.name);

const asked = process.argv.slice(2);
for (const name of asked)
  if (!suites.some((suite) => suite.name === name)) {
    console.error(`no suite ${name}; there are: ${suites.map((suite) => suite.name).join(', ')}`);
    process.exit(2);
  }
const inCi = process.env.LEAFWARD_CI === '1';
const totals = { passed: 0, failed: 0, skipped: 0 };

for (const suite of suites) {
  if (asked.length > 0 && !asked.includes(suite.name)) continue;
  const missing = (suite.needs ?? [])
    .map((need) => needs[need]())
    .find((answer) => answer !== true);
  if (missing !== undefined || (asked.length === 0 && !plain.includes(suite.name))) {
    const reason = missing ?? `run it with: node scripts/test.mjs ${suite.name}`;
    console.log(`suite ${suite.name}: left out, ${reason}`);
    if (inCi && asked.includes(suite.name)) totals.failed += 1;
    continue;
  }
  const files = specFiles(join('test/build', suite.name));
  if (files.length === 0) continue;
  await runMocha(suite, files);
}
const line = `${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`;
if (process.env.LEAFWARD_TOTALS) appendFileSync(process.env.LEAFWARD_TOTALS, `${line}\n`);
console.log(line);
process.exit(totals.failed > 0 || totals.passed === 0 ? 1 : 0);

/** Said again at the very end of a long run, where it is looked for. */
function keepFailures({ name, text, complaints, end: ended }) {
  if (!process.env.LEAFWARD_FAILURES) return;
  const end = text.search(/^\s+\d+ failing/m);
  // Every test passed, and yet it ended badly: what it said last is all that tells why.
  const said =
    end === -1
      ? `${text.split('\n').slice(-30).join('\n')}\nended with ${ended}\n${complaints}`
      : text.slice(end);
  appendFileSync(process.env.LEAFWARD_FAILURES, `-- suite ${name}\n${said}\n`);
  const failed = end === -1 ? [`no test failed, ended with ${ended}`] : failedTests(text);
  const lines = failed.map((test) => `suite ${name}: ${test}\n`);
  appendFileSync(`${process.env.LEAFWARD_FAILURES}.lines`, lines.join(''));
}

/** One line each: where it stands, and the first line of its error. */
function failedTests(text) {
  const said = text.slice(text.search(/^\s+\d+ failing/m));
  const blocks = said.split(/^\s+\d+\) /m).slice(1);
  return blocks.map((block) => {
    const lines = block.split('\n').map((one) => one.trim());
    const end = lines.findIndex((one) => one.endsWith(':'));
    const title = lines.slice(0, end + 1).join(' › ');
    const error = lines.slice(end + 1).find((one) => one !== '') ?? '';
    return `${title} ${error}`.slice(0, 400);
  });
}

function specFiles(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .filter((file) => file.endsWith('.spec.js'))
    .filter((file) =>
      existsSync(join(folder, file).replace('test/build', 'test').replace(/js$/, 'ts')),
    )
    .map((file) => join(folder, file))
    .sort();
}

function runMocha({ name, jobs }, files) {
  const started = Date.now();
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      [
        ...['--enable-source-maps', 'node_modules/mocha/bin/mocha.js', '--forbid-only'],
        ...(jobs === undefined ? [] : ['--parallel', '--jobs', String(jobs)]),
        ...['--require', 'test/build/property-seed.js', ...files],
      ],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, FORCE_COLOR: '0' },
      },
    );
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
      process.stdout.write(chunk);
    });
    let complaints = '';
    child.stderr.on('data', (chunk) => {
      complaints = `${complaints}${chunk}`.slice(-MOST_COMPLAINTS);
      process.stderr.write(chunk);
    });
    child.on('close', (code, signal) => {
      const count = (word) => Number(new RegExp(`^\\s+(\\d+) ${word}`, 'm').exec(text)?.[1] ?? 0);
      const failed = Math.max(count('failing'), code === 0 ? 0 : 1);
      totals.passed += count('passing');
      totals.failed += failed;
      totals.skipped += count('pending');
      const end = signal === null ? `code ${code}` : signal;
      if (failed > 0) keepFailures({ name, text, complaints, end });
      const seconds = ((Date.now() - started) / 1000).toFixed(1);
      console.log(
        `suite ${name}: ${count('passing')} passed, ${failed} failed, ${count('pending')} skipped in ${seconds} s\n`,
      );
      resolve();
    });
  });
}
