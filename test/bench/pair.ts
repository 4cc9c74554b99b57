// Two servers under the same clients: the controller and raw http2, both processes of their own, mutual TLS on
// both, the same bytes sent to both.
import { toBinary } from '@bufbuild/protobuf';
import { openAuthority } from '@leafward/controller/authority.js';
import { authorityPath } from '@leafward/controller/controller.js';
import type { ReportAnswer, Welcome } from '@leafward/shared/gen/domain.js';
import { SessionResponseSchema } from '@leafward/shared/gen/leafward/v1/agent_pb.js';
import { createKey, publicKeyOf } from '@leafward/shared/pki/keys.js';
import { codecOf } from '@leafward/shared/rpc/codec.js';
import { join } from 'node:path';
import { freePorts } from '../fleet/programs.js';
import { startChild, type Child } from './child.js';
import { prepareController, type PreparedController } from './prepared-controller.js';
import type { SampleFleet } from './sample-fleet.js';

export interface Served {
  readonly server: Child;
  /** Clients of this server only. */
  readonly agents: Child;
  readonly address: string;
}

export interface Pair {
  readonly prepared: PreparedController;
  startController(): Promise<Served>;
  startRaw(): Promise<Served>;
  stop(): Promise<void>;
}

const HOUR_MS = 3_600_000;

export async function preparePair(
  dir: string,
  fleet: SampleFleet,
  membersEach: number,
): Promise<Pair> {
  const prepared = await prepareController(dir, fleet);
  const children: Child[] = [];
  const start = (name: string): Child => {
    const child = startChild(name, join(dir, 'children.log'));
    children.unshift(child);
    return child;
  };
  const served = async (server: Child, address: string): Promise<Served> => {
    const agents = start('agents');
    await agents.call('connect', { address, agentsPath: prepared.agentsPath, membersEach });
    return { server, agents, address };
  };
  return {
    prepared,
    startController: async () => {
      const server = start('controller');
      await server.call('start', { stateDir: prepared.stateDir, config: prepared.config });
      return served(server, prepared.address);
    },
    startRaw: async () => {
      const server = start('raw-http2');
      const [port = 0] = await freePorts(1);
      await server.call('start', { port, ...(await rawMaterial(prepared)), ...rawAnswers() });
      return served(server, `127.0.0.1:${port}`);
    },
    stop: async () => {
      for (const child of children) await child.stop();
    },
  };
}

export async function rawMaterial({ stateDir, config }: PreparedController) {
  const authority = await openAuthority(authorityPath(stateDir), config.fleet);
  const keyPem = await createKey();
  const { certificatePem } = authority.issue({
    kind: 'controller',
    name: 'raw',
    publicKey: publicKeyOf(keyPem),
    now: Date.now(),
    lifetimeMs: HOUR_MS,
    hosts: ['127.0.0.1'],
  });
  return { keyPem, certificatePem, caPem: authority.caPem };
}

/** What the controller would answer, made once. */
function rawAnswers() {
  const encode = (data: object): Uint8Array =>
    toBinary(SessionResponseSchema, codecOf(SessionResponseSchema).toMessage(data) as never);
  const welcome: Welcome = { epoch: 2, clockMs: Date.now(), reportEveryMs: 5000 };
  const answer: ReportAnswer = {
    sequence: 1000,
    permits: [{ service: 'service-0000', member: '00.service-0000', term: 1, validMs: 15_000 }],
    settled: [],
    clockMs: Date.now(),
    reportEveryMs: 5000,
  };
  return {
    welcome: encode({ kind: 'welcome', ...welcome }),
    answer: encode({ kind: 'report-answer', ...answer }),
  };
}
