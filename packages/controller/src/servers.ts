// The two gRPC listeners: enrolment (server-authenticated TLS) and mTLS for agents and operators. Decides who
// calls; what the call does belongs to others.
import { Server, type ServerCredentials } from '@grpc/grpc-js';
import type { Clock } from '@leafward/shared/clock.js';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';
import type {
  AgentService as AgentShape,
  EnrollmentService as EnrollmentShape,
  LogsService as LogsShape,
  OperatorService as OperatorShape,
  TransferService as TransferShape,
} from '@leafward/shared/gen/domain.js';
import { AgentService } from '@leafward/shared/gen/leafward/v1/agent_pb.js';
import { EnrollmentService } from '@leafward/shared/gen/leafward/v1/enrollment_pb.js';
import { LogsService } from '@leafward/shared/gen/leafward/v1/logs_pb.js';
import { TransferService } from '@leafward/shared/gen/leafward/v1/transfer_pb.js';
import { OperatorService } from '@leafward/shared/gen/leafward/v1/operator_pb.js';
import type { Logger } from '@leafward/shared/log.js';
import type { Identity } from '@leafward/shared/pki/identity.js';
import { identifyCaller } from '@leafward/shared/rpc/credentials.js';
import { serverOptions } from '@leafward/shared/rpc/options.js';
import {
  implementService,
  serviceDefinition,
  type IncomingCall,
  type ServiceHandlers,
} from '@leafward/shared/rpc/service.js';
import { statusFromError } from '@leafward/shared/rpc/status.js';
import { assertNotRevoked, type Enrollment } from './enrollment.js';
import type { IdentityStore } from './identity-store.js';
import type { LogsDesk } from './logs/logs-desk.js';
import type { Operator } from './operators/access.js';
import type { AgentStream, Sessions } from './sessions.js';
import type { Transfers } from './transfers.js';

/** An operator with the certificate that the call came with. */
export interface OperatorCaller extends Operator {
  readonly serial: string;
}

export interface ServersOptions {
  readonly fleet: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly identities: IdentityStore;
  readonly enrollment: Enrollment;
  readonly sessions: Sessions;
  readonly transfers: Transfers;
  readonly logs: Pick<LogsDesk, 'accept'>;
  readonly operators: ServiceHandlers<OperatorShape, Operator>;
  readonly onRefused: (reason: string) => void;
  /**
   * For an agent that a lost store knew: resolves when it is written down again. Undefined: nobody like that.
   */
  readonly recognise?: (agent: Identity) => Promise<void> | undefined;
  /** An agent has opened its stream; it may be one that nobody has seen before. */
  readonly onAgent: () => void;
}

export interface Listener {
  readonly server: Server;
  readonly port: number;
}

export async function startEnrollmentListener(
  options: ServersOptions,
  credentials: ServerCredentials,
  address: string,
): Promise<Listener> {
  const server = new Server(serverOptions);
  server.addService(
    serviceDefinition(EnrollmentService),
    implementService<EnrollmentShape, undefined>(
      EnrollmentService,
      () => undefined,
      options.enrollment.handlers,
      bugReporter(options.log),
    ),
  );
  return listen(server, credentials, address, 'enrolment');
}

export async function startMutualListener(
  options: ServersOptions,
  credentials: ServerCredentials,
  address: string,
): Promise<Listener> {
  const server = new Server(serverOptions);
  const bug = bugReporter(options.log);
  server.addService(
    serviceDefinition(AgentService),
    implementService<AgentShape, Identity>(
      AgentService,
      (call) => refusable(options, () => identify(options, call, 'agent')),
      {
        session: (stream, { caller }) => void letIn(options, stream, caller),
        renewCertificate: ({ csrPem }, { caller }) =>
          options.enrollment.renewCertificate(caller, csrPem),
      },
      bug,
    ),
  );
  server.addService(
    serviceDefinition(TransferService),
    implementService<TransferShape, Identity>(
      TransferService,
      (call) => refusable(options, () => identify(options, call, 'agent')),
      { transfer: (stream, { caller }) => options.transfers.accept(caller.name, stream) },
      bug,
    ),
  );
  server.addService(
    serviceDefinition(LogsService),
    implementService<LogsShape, Identity>(
      LogsService,
      (call) => refusable(options, () => identify(options, call, 'agent')),
      { logs: (stream, { caller }) => options.logs.accept(caller.name, stream) },
      bug,
    ),
  );
  server.addService(
    serviceDefinition(OperatorService),
    implementService<OperatorShape, Operator>(
      OperatorService,
      (call) => refusable(options, () => operatorOf(options, call)),
      options.operators,
      bug,
    ),
  );
  return listen(server, credentials, address, 'mTLS');
}

/** What the agent says meanwhile waits in the stream. */
async function letIn(
  options: ServersOptions,
  stream: AgentStream,
  caller: Identity,
): Promise<void> {
  const { name, serial, expiresAt } = caller;
  try {
    await options.recognise?.(caller);
  } catch (error) {
    stream.emit('error', statusFromError(error));
    return;
  }
  options.onAgent();
  const isRevoked = () => options.identities.isRevoked('agent', name, serial);
  options.sessions.accept(name, stream, { expiresAt, isRevoked });
}

function identify(options: ServersOptions, call: IncomingCall, kind: 'agent' | 'user'): Identity {
  const caller = identifyCaller(call, {
    fleet: options.fleet,
    kinds: [kind],
    now: options.clock.now(),
  });
  const isLost = kind === 'agent' && options.recognise?.(caller) !== undefined;
  if (!isLost) assertNotRevoked(options.identities, caller);
  return caller;
}

/** The role is the store's word at this moment, not the certificate's. */
function operatorOf(options: ServersOptions, call: IncomingCall): OperatorCaller {
  const caller = identify(options, call, 'user');
  const role = options.identities.principal('user', caller.name)?.role;
  if (role === undefined || role === 'agent')
    throw new LeafwardError('denied', `the user ${caller.name} has no role`);
  return { name: caller.name, role, serial: caller.serial };
}

function refusable<T>(options: ServersOptions, act: () => T): T {
  try {
    return act();
  } catch (error) {
    options.onRefused(error instanceof LeafwardError ? error.code : 'bug');
    throw error;
  }
}

function bugReporter(log: Logger): (error: unknown, method: string) => void {
  return (error, method) => log.error({ err: error, method }, `${method}: ${messageOf(error)}`);
}

function listen(
  server: Server,
  credentials: ServerCredentials,
  address: string,
  what: string,
): Promise<Listener> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, port) => {
      if (error === null) resolve({ server, port });
      else
        reject(
          new LeafwardError(
            'unavailable',
            `listen for ${what} on ${address}: ${error.message}; is another program there? Choose another port in controller.yaml`,
          ),
        );
    });
  });
}
