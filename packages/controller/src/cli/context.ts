// What the operator's CLI needs of the world, so that tests run the real command tree without a process.
import type { Clock } from '@leafward/shared/clock.js';
import type { OperatorService } from '@leafward/shared/gen/domain.js';
import type { ServiceClient } from '@leafward/shared/rpc/service.js';

export interface Terminal {
  readonly write: (text: string) => void;
  readonly writeError: (text: string) => void;
  /** True when stdout is a terminal: it may be redrawn and its user may be asked. */
  readonly interactive: boolean;
  /** Asked anew for each drawing; undefined: not a terminal, as wide as it takes. */
  readonly size: () => { readonly columns: number; readonly rows: number } | undefined;
}

export interface OperatorConnection {
  readonly client: ServiceClient<OperatorService>;
  /** host:port of the controller, for messages. */
  readonly address: string;
}

export interface Enrolled {
  readonly fleet: string;
  readonly name: string;
  readonly address: string;
  readonly role: string;
  /** Where the identity was written. */
  readonly directory: string;
}

export interface CliContext {
  readonly clock: Clock;
  readonly terminal: Terminal;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** @throws LeafwardError `unauthenticated` when nobody is enrolled here. */
  readonly connect: (signal: AbortSignal) => Promise<OperatorConnection>;
  readonly enroll: (url: string, signal: AbortSignal) => Promise<Enrolled>;
  /** The whole of a file, or of stdin for '-'. @throws LeafwardError `invalid` */
  readonly readInput: (path: string, signal: AbortSignal) => Promise<string>;
  /** What stdin holds; asked for without an echo when somebody types there. @throws LeafwardError `invalid` */
  readonly readSecret: (question: string, signal: AbortSignal) => Promise<string>;
  /** True for yes. Only called when the terminal is interactive. */
  readonly confirm: (question: string, signal: AbortSignal) => Promise<boolean>;
  /** Fires on Ctrl-C and on SIGTERM. */
  readonly signal: AbortSignal;
}
