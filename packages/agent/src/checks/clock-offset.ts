// Rule: this host's clock agrees with the controller's. Judges what the link measured.
import type { Check } from './check.js';
import { formatMs } from './figures.js';

/**
 * Hosts that keep time by NTP are within tens of milliseconds; ages of facts are shown to the
 * second.
 */
const WARN_MS = 1000;
/** A certificate that was just made is not valid yet on a host that is this far behind. */
const CRITICAL_MS = 60_000;

export const clockOffset: Check = {
  id: 'clock-offset',
  why: 'Certificates, one-time URLs and the ages of facts depend on the time; a clock that is far off shows as TLS errors that do not name it',
  source: 'RFC 5280 section 4.1.2.5 (validity of certificates)',
  fixable: false,
  run: async ({ clockOffsetMs }) => {
    const subject = 'clock';
    const wanted = `within ${formatMs(WARN_MS)} of the controller`;
    const fix =
      'run chrony or systemd-timesyncd (timedatectl set-ntp true) here and on the controller';
    if (clockOffsetMs === undefined) {
      const seen = 'not known: no controller has answered yet';
      return [
        { subject, severity: 'unknown', seen, wanted, fix: 'connect the agent to a controller' },
      ];
    }
    const size = Math.abs(clockOffsetMs);
    const severity = size > CRITICAL_MS ? 'critical' : size > WARN_MS ? 'warning' : 'ok';
    const seen = `${formatMs(size)} ${clockOffsetMs >= 0 ? 'ahead of' : 'behind'} the controller`;
    return [{ subject, severity, seen, wanted, fix: severity === 'ok' ? '' : fix }];
  },
};
