// Rule: where members run in containers, the Docker Engine answers and is not too old. Judges what
// was seen.
import type { Check } from './check.js';
import { coerceVersion, isAtLeast } from './versions.js';

/**
 * 20.10 is the first Engine that runs on cgroup v2, which every current distribution boots with: an
 * older one starts no container there and counts memory wrongly elsewhere (Docker Engine 20.10
 * release notes).
 */
const LEAST = [20, 10, 0] as const;
/** The last Engine of the 20.10 line left support at the end of 2023. */
const SUPPORTED = [23, 0, 0] as const;

export const dockerEngine: Check = {
  id: 'docker-engine',
  why: 'Nothing can be started, stopped or fenced through an Engine that does not answer; an updated install is asked for (deployment guide, “Preparing Hosts”)',
  source: 'deployment guide, Preparing Hosts; Docker Engine release notes 20.10',
  fixable: false,
  run: async ({ docker, members }) => {
    const subject = 'docker';
    const wanted = 'Docker Engine ≥ 20.10 that answers';
    const needed = docker.wanted || members.some(({ spec }) => spec.runtime === 'docker');
    if (!needed) return [];
    if (docker.error !== undefined || docker.version === undefined) {
      const seen = docker.error ?? 'the Engine has not said its version';
      const fix =
        'systemctl status docker; journalctl -u docker; is the agent allowed to use /var/run/docker.sock?';
      return [
        {
          subject,
          severity: docker.error === undefined ? 'unknown' : 'critical',
          seen,
          wanted,
          fix,
        },
      ];
    }
    const version = coerceVersion(docker.version);
    const seen = `Docker Engine ${docker.version}`;
    if (version === undefined)
      return [{ subject, severity: 'unknown', seen, wanted, fix: 'docker version' }];
    const fix = 'update Docker: https://docs.docker.com/engine/install/';
    if (!isAtLeast(version, LEAST)) return [{ subject, severity: 'critical', seen, wanted, fix }];
    if (!isAtLeast(version, SUPPORTED))
      return [
        { subject, severity: 'info', seen: `${seen}, no longer maintained by Docker`, wanted, fix },
      ];
    return [{ subject, severity: 'ok', seen, wanted, fix: '' }];
  },
};
