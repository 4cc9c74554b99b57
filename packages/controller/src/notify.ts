// Tells systemd how the controller is, when systemd wants to know. Errors are ignored: a missing word only means a
// restart by the watchdog.
import { execFile } from 'node:child_process';

const TIMEOUT_MS = 2000;

export function notifySystemd(...states: readonly string[]): void {
  if (process.env['NOTIFY_SOCKET'] === undefined) return;
  execFile('systemd-notify', [...states], { timeout: TIMEOUT_MS }, () => undefined);
}

/** Pats the watchdog while `isAlive` says so. Returns what ends it. */
export function startWatchdog(isAlive: () => boolean): () => void {
  const periodMs = Number(process.env['WATCHDOG_USEC'] ?? '0') / 1000;
  if (!(periodMs > 0)) return () => undefined;
  const timer = setInterval(() => {
    if (isAlive()) notifySystemd('WATCHDOG=1');
  }, periodMs / 3);
  return () => clearInterval(timer);
}
