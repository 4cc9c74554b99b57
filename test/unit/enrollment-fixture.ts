// A controller's identity side as it really is: store on disk, CA, both listeners on loopback. The clock can be set,
// so that certificates can have been made long ago.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, type ServerCredentials, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { createAuthority, startServerIdentity } from '@leafward/controller/authority.js';
import { assertNotRevoked, createEnrollment } from '@leafward/controller/enrollment.js';
import { openDatabase } from '@leafward/controller/store/database.js';
import { openIdentityStore, type IdentityTables } from '@leafward/controller/store/identities.js';
import { systemClock, type Clock } from '@leafward/shared/clock.js';
import type {
  AgentService,
  EnrollmentService,
  OperatorService,
} from '@leafward/shared/gen/domain.js';
import { AgentService as agentService } from '@leafward/shared/gen/leafward/v1/agent_pb.js';
import { EnrollmentService as enrollmentService } from '@leafward/shared/gen/leafward/v1/enrollment_pb.js';
import { OperatorService as operatorService } from '@leafward/shared/gen/leafward/v1/operator_pb.js';
import { createLogger } from '@leafward/shared/log.js';
import type { Identity } from '@leafward/shared/pki/identity.js';
import type { IdentityKind } from '@leafward/shared/pki/names.js';
import { identifyCaller } from '@leafward/shared/rpc/credentials.js';
import { serverOptions } from '@leafward/shared/rpc/options.js';
import {
  implementService,
  serviceDefinition,
  type HandlerCall,
  type ServiceHandlers,
} from '@leafward/shared/rpc/service.js';

export const DAY_MS = 24 * 3_600_000;
export const FLEET = 'demo';
export const log = createLogger('test', 'silent');

type Session = ServiceHandlers<AgentService, Identity>['session'];

export interface Fixture {
  readonly dir: string;
  readonly clock: Clock & { offsetMs: number };
  readonly authority: Awaited<ReturnType<typeof createAuthority>>;
  readonly server: Awaited<ReturnType<typeof startServerIdentity>>;
  readonly store: Awaited<ReturnType<typeof openIdentityStore>>;
  readonly enrollment: ReturnType<typeof createEnrollment>;
  readonly mtlsPort: number;
  readonly enrollmentPort: number;
  /** What the mTLS listener does with an agent's stream. */
  session: Session;
  /** Ends every connection of the mTLS listener and closes it. */
  killMtls(): void;
  /** Listens again on the same port. */
  reviveMtls(): Promise<void>;
  inviteHost(name: string, ttlMs?: number): Promise<string>;
  inviteUser(name: string): Promise<string>;
  lastAudit(): Promise<string>;
  stop(): Promise<void>;
}

export interface FixtureOptions {
  readonly lifetimeMs?: number;
  readonly fleet?: string;
}

export async function startFixture(options: FixtureOptions = {}): Promise<Fixture> {
  const { lifetimeMs = 30 * DAY_MS, fleet = FLEET } = options;
  const dir = await mkdtemp(join(tmpdir(), 'leafward-id-'));
  const clock = { ...systemClock, offsetMs: 0, now: () => Date.now() + clock.offsetMs };
  const authority = await createAuthority(join(dir, 'ca'), fleet, Date.now() - 90 * DAY_MS);
  const hosts = ['127.0.0.1', 'localhost'];
  const server = await startServerIdentity({
    ...{ authority, name: 'main', hosts, lifetimeMs: DAY_MS, clock: systemClock, log },
  });
  const database = await openDatabase<IdentityTables>(join(dir, 'store.db'));
  const store = await openIdentityStore(database.db);

  const mtlsPort = await freePort();
  const enrollmentPort = await freePort();
  const enrollment = createEnrollment({
    authority,
    store,
    clock,
    address: `127.0.0.1:${mtlsPort}`,
    enrollmentAddress: `127.0.0.1:${enrollmentPort}`,
    lifetimesMs: { agent: lifetimeMs, user: lifetimeMs },
  });
  const onBug = (error: unknown): void => {
    throw error;
  };
  const identify = (kind: IdentityKind) => (call: Parameters<typeof identifyCaller>[0]) => {
    const caller = identifyCaller(call, { fleet, kinds: [kind], now: Date.now() });
    assertNotRevoked(store, caller);
    return caller;
  };
  const mtls = (): Promise<Server> =>
    listen(mtlsPort, server.mutual, [
      [
        agentService,
        implementService<AgentService, Identity>(
          agentService,
          identify('agent'),
          {
            session: (stream, call) => fixture.session(stream, call),
            renewCertificate: ({ csrPem }, { caller }) =>
              enrollment.renewCertificate(caller, csrPem),
          },
          onBug,
        ),
      ],
      [
        operatorService,
        implementService<OperatorService, Identity>(
          operatorService,
          identify('user'),
          {
            renewCertificate: ({ csrPem }: { csrPem: string }, { caller }: HandlerCall<Identity>) =>
              enrollment.renewCertificate(caller, csrPem),
            listHosts: async () => ({ hosts: [] }),
          } as unknown as ServiceHandlers<OperatorService, Identity>,
          onBug,
        ),
      ],
    ]);
  let mtlsServer = await mtls();
  const enrollmentServer = await listen(enrollmentPort, server.enrollment, [
    [
      enrollmentService,
      implementService<EnrollmentService, undefined>(
        enrollmentService,
        () => undefined,
        enrollment.handlers,
        onBug,
      ),
    ],
  ]);
  const invite = async (kind: 'agent' | 'user', name: string, ttlMs = 0): Promise<string> => {
    const role = kind === 'user' ? 'admin' : undefined;
    return (await enrollment.invite({ kind, name, role, ttlMs, madeBy: 'test' })).url;
  };
  const fixture: Fixture = {
    ...{ dir, clock, authority, server, store, enrollment, mtlsPort, enrollmentPort },
    session: (stream) => stream.end(),
    killMtls: () => mtlsServer.forceShutdown(),
    reviveMtls: async () => {
      mtlsServer = await mtls();
    },
    inviteHost: (name, ttlMs) => invite('agent', name, ttlMs),
    inviteUser: (name) => invite('user', name),
    lastAudit: async () => {
      const row = (await store.audit(1))[0];
      return row === undefined ? '' : `${row.what} ${row.subject}: ${row.result}`;
    },
    stop: async () => {
      mtlsServer.forceShutdown();
      enrollmentServer.forceShutdown();
      await server.stop();
      await database.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
  return fixture;
}

type Served = readonly [Parameters<typeof serviceDefinition>[0], UntypedServiceImplementation];

/** A gRPC server on loopback. */
export async function listen(
  port: number,
  credentials: ServerCredentials,
  services: readonly Served[],
  options = serverOptions,
): Promise<Server> {
  const server = new Server(options);
  for (const [service, implementation] of services) {
    const definition = serviceDefinition(service);
    const missing = Object.keys(definition).filter((name) => !(name in implementation));
    for (const name of missing) implementation[name] = (): void => undefined;
    server.addService(definition, implementation);
  }
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, credentials, (error) =>
      error === null ? resolve() : reject(error),
    ),
  );
  return server;
}

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Waits for a condition; the error says which one did not come. */
export async function eventually(what: string, isSo: () => boolean, ms = 10_000): Promise<void> {
  const end = Date.now() + ms;
  while (!isSo()) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await systemClock.sleep(10);
  }
}

/** The error of a promise that must fail. */
export async function failure(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not fail');
}
