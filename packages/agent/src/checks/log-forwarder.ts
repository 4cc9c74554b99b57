// Rule: a program forwards the logs of this host. Looks for well-known ones by name, among
// processes and containers.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Check, CheckContext, HostRoots } from './check.js';
import { readText } from './kernel-files.js';
import { listProcesses } from './processes.js';

/** Names of programs, and of images or containers that are named after them. */
const FORWARDERS = [
  'fluent-bit',
  'fluentd',
  'td-agent',
  'vector',
  'filebeat',
  'promtail',
  'alloy',
  'grafana-agent',
  'otelcol',
  'otelcol-contrib',
  'logstash',
  'splunkd',
  'nxlog',
  'syslog-ng',
  'datadog-agent',
  'amazon-cloudwatch-agent',
  'google_cloud_ops_agent_engine',
  'systemd-journal-upload',
  'logspout',
] as const;

export const logForwarder: Check = {
  id: 'log-forwarder',
  why: 'A log aggregation agent on every host is highly recommended, so that logs of all containers can be read in one place (deployment guide, “Preparing Hosts”)',
  source: 'deployment guide, Preparing Hosts',
  fixable: false,
  run: async (context) => {
    const found = findForwarder(context);
    return [
      {
        subject: 'log-forwarder',
        severity: found === undefined ? 'warning' : 'ok',
        seen: found ?? 'none of the well-known programs runs here',
        wanted:
          'a program that sends logs to a central place (fluent-bit, vector, filebeat, promtail …)',
        fix:
          found === undefined ? 'install one, or waive this check if logs leave another way' : '',
      },
    ];
  },
};

function findForwarder({ roots, docker }: CheckContext): string | undefined {
  const programs = listProcesses(roots).map(({ program }) => program);
  const program = programs.find((name) => isForwarder(name));
  if (program !== undefined) return `process ${program}`;
  const container = docker.containers.find(
    ({ name, running }) => running && FORWARDERS.some((known) => hasWord(name, known)),
  );
  if (container !== undefined) return `container ${container.name}`;
  const forwards = programs.some((name) => name === 'rsyslogd') && rsyslogForwards(roots);
  return forwards ? 'rsyslogd with a forwarding rule' : undefined;
}

function isForwarder(program: string): boolean {
  return FORWARDERS.some((known) => program === known);
}

/** "prod-vector-1" has the word "vector", "vectors" has not. */
function hasWord(name: string, word: string): boolean {
  return new RegExp(`(^|[^a-z0-9])${word}([^a-z0-9]|$)`, 'i').test(name);
}

/** rsyslog keeps logs on this host unless a rule sends them away: @host, @@host, omfwd, omrelp. */
function rsyslogForwards(roots: HostRoots): boolean {
  const directory = join(roots.etc, 'rsyslog.d');
  const files = [join(roots.etc, 'rsyslog.conf'), ...listConfigurations(directory)];
  return files.some((file) =>
    /^[^#\n]*(\s@@?[\w.[(]|"omfwd"|"omrelp"|:omrelp:)/m.test(readText(file) ?? ''),
  );
}

function listConfigurations(directory: string): readonly string[] {
  try {
    return readdirSync(directory).map((name) => join(directory, name));
  } catch {
    return [];
  }
}
