// From this user's identity on disk to a connection with the controller, and how the identity gets there. A thin
// adapter: identity.ts knows the directory and the certificates.
import { systemClock } from '@leafward/shared/clock.js';
import type { Enrolled, OperatorConnection } from './context.js';
import {
  connectOperator as openClient,
  enrollOperator,
  openOperatorIdentity,
  operatorDirectory,
} from './identity.js';

type Environment = Readonly<Record<string, string | undefined>>;

export interface ConnectOptions {
  readonly environment: Environment;
  /** For remarks that must not get into the output. */
  readonly warn: (line: string) => void;
}

/** @throws LeafwardError `unauthenticated` when nobody is enrolled here. */
export async function connectOperator(
  options: ConnectOptions,
  signal: AbortSignal,
): Promise<OperatorConnection> {
  const keeper = await openOperatorIdentity(operatorDirectory(options.environment), {
    clock: systemClock,
    warn: options.warn,
    signal,
  });
  return { client: openClient(keeper), address: keeper.current().address };
}

/** Spends a one-time URL. @throws LeafwardError whose text never holds the URL (I14). */
export async function enroll(
  url: string,
  environment: Environment,
  signal: AbortSignal,
): Promise<Enrolled> {
  const directory = operatorDirectory(environment);
  const { fleet, name, address, role } = await enrollOperator(directory, url, signal);
  return { fleet, name, address, role: role ?? 'viewer', directory };
}
