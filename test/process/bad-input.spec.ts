// A real controller process and everything that somebody may hold against it by mistake or on purpose: refused
// with a clear error and the right exit code, nothing changed.
import { expect } from 'chai';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, type ServiceError } from '@grpc/grpc-js';
import { LeafwardError } from '@leafward/shared/errors.js';
import type {
  AgentService,
  OperatorService,
  SessionResponse,
} from '@leafward/shared/gen/domain.js';
import { AgentService as agentService } from '@leafward/shared/gen/leafward/v1/agent_pb.js';
import { OperatorService as operatorService } from '@leafward/shared/gen/leafward/v1/operator_pb.js';
import { enrollClient } from '@leafward/shared/pki/enroll-client.js';
import { loadIdentity, type StoredIdentity } from '@leafward/shared/pki/identity-directory.js';
import { FreshChannelCredentials } from '@leafward/shared/rpc/credentials.js';
import { channelOptions, MAX_MESSAGE_BYTES } from '@leafward/shared/rpc/options.js';
import { createClient } from '@leafward/shared/rpc/service.js';
import { startLocalFleet, type LocalFleet } from '../fleet/local-fleet.js';
import { programs, runProgram } from '../fleet/programs.js';

describe('a controller and bad input', function () {
  this.timeout(60_000);
  let dir: string;
  let fleet: LocalFleet;
  let agent: StoredIdentity;
  let viewerHome: string;

  const invite = async (args: readonly string[]): Promise<string> =>
    (await fleet.cliJson<{ readonly url: string }>(args)).url;
  const credentialsOf = (identity: StoredIdentity) => new FreshChannelCredentials(() => identity);
  const codeOf = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'no error',
      (error: unknown) => (error instanceof LeafwardError ? error.code : String(error)),
    );

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'leafward-'));
    fleet = await startLocalFleet({ dir, hosts: [] });
    agent = await enrollClient(await invite(['host', 'invite', 'alpha']), {
      kind: 'agent',
      name: 'alpha',
    });
    viewerHome = join(dir, 'viewer');
    const url = await invite(['user', 'invite', 'vera', '--role', 'viewer']);
    const enrolled = await runProgram(programs.cli, ['enroll', url], { LEAFWARD_HOME: viewerHome });
    expect(enrolled.code, enrolled.stderr).to.equal(0);
  });
  after(async () => {
    await fleet.stop();
    await rm(dir, { recursive: true, force: true });
  });

  it('refuses a malformed manifest with every problem and exit code 2', async () => {
    const path = join(dir, 'bad.yaml');
    await writeFile(
      path,
      'fleet: demo\nservices:\n  cortex:\n    kind: synapse\n    colour: red\n    members: {}\n',
    );
    const result = await fleet.cli(['plan', 'deploy', path], [2]);
    expect(result.stderr)
      .to.include('services.cortex.colour')
      .and.to.include('services.cortex.image');
    expect(await fleet.cliJson<readonly unknown[]>(['plan', 'list'])).to.satisfy(
      (plans: { plans?: readonly unknown[] } | readonly unknown[]) =>
        (Array.isArray(plans) ? plans : (plans as { plans: readonly unknown[] }).plans).length ===
        0,
    );
  });

  it('answers unknown words and missing values with exit code 2', async () => {
    await fleet.cli(['statsu'], [2]);
    await fleet.cli(['plan', 'update', 'cortex'], [2]);
    await fleet.cli(['host', 'revoke', 'alpha'], [2]);
  });

  it('refuses a token that was used, a token for another host, and one that never was', async () => {
    const url = await invite(['host', 'invite', 'bravo']);
    expect(await codeOf(enrollClient(url, { kind: 'agent', name: 'charlie' }))).to.equal('denied');
    await enrollClient(url, { kind: 'agent', name: 'bravo' });
    expect(await codeOf(enrollClient(url, { kind: 'agent', name: 'bravo' }))).to.equal(
      'unauthenticated',
    );
    const forged = url.replace(/\/[A-Za-z0-9_-]{43}\?/, `/${'A'.repeat(43)}?`);
    expect(await codeOf(enrollClient(forged, { kind: 'agent', name: 'bravo' }))).to.equal(
      'unauthenticated',
    );
    const audit = await fleet.cli(['audit']);
    expect(audit.stdout).to.include('refused');
  });

  it("lets an agent make no operator's call and an operator no agent's", async () => {
    const asOperator = createClient<OperatorService>(
      operatorService,
      agent.address,
      credentialsOf(agent),
      channelOptions,
    );
    expect(await codeOf(asOperator.getStatus({}))).to.equal('denied');
    asOperator.close();
    const operator = await loadIdentity(join(dir, 'operator'));
    const asAgent = createClient<AgentService>(
      agentService,
      operator.address,
      credentialsOf(operator),
      channelOptions,
    );
    expect(await codeOf(asAgent.renewCertificate({ csrPem: '' }))).to.equal('denied');
    asAgent.close();
  });

  it('lets a viewer read and order nothing, with exit code 3', async () => {
    const environment = { LEAFWARD_HOME: viewerHome };
    const read = await runProgram(programs.cli, ['status'], environment);
    expect(read.code).to.equal(0);
    const ordered = await runProgram(programs.cli, ['host', 'invite', 'delta'], environment);
    expect(ordered.code).to.equal(3);
    expect(ordered.stderr).to.include('viewer').and.to.include('admin');
  });

  it('ends the session of an agent that says it is another host', async () => {
    const client = createClient<AgentService>(
      agentService,
      agent.address,
      credentialsOf(agent),
      channelOptions,
    );
    const stream = client.session();
    const answer = new Promise<SessionResponse>((resolve, reject) => {
      stream.once('data', resolve);
      stream.once('error', reject);
    });
    stream.write({
      kind: 'hello',
      host: 'bravo',
      agentVersion: '0',
      bootId: 'b',
      generation: 0,
      epoch: 0,
      clockMs: Date.now(),
    });
    const message = await answer;
    expect(message.kind).to.equal('reconnect');
    stream.on('error', () => undefined);
    client.close();
  });

  it('refuses oversized and malformed messages and goes on serving', async () => {
    const raw = new Client(agent.address, credentialsOf(agent), channelOptions);
    const call = (bytes: Buffer): Promise<ServiceError | null> =>
      new Promise((resolve) => {
        raw.makeUnaryRequest(
          '/leafward.v1.AgentService/RenewCertificate',
          (data: Buffer) => data,
          (data: Buffer) => data,
          bytes,
          { deadline: Date.now() + 10_000 },
          (error) => resolve(error),
        );
      });
    expect(await call(Buffer.from([0xff, 0xff, 0xff, 0xff]))).to.not.equal(null);
    expect(await call(Buffer.alloc(MAX_MESSAGE_BYTES + 1000))).to.not.equal(null);
    raw.close();
    await fleet.cli(['status']);
  });

  it('cuts a revoked host off at once and refuses its return', async () => {
    const client = createClient<AgentService>(
      agentService,
      agent.address,
      credentialsOf(agent),
      channelOptions,
    );
    const stream = client.session();
    const ended = new Promise<void>((resolve) => {
      stream.on('end', resolve);
      stream.on('error', () => resolve());
    });
    const welcomed = new Promise<void>((resolve) => stream.on('data', () => resolve()));
    stream.write({
      kind: 'hello',
      host: 'alpha',
      agentVersion: '0',
      bootId: 'b',
      generation: 0,
      epoch: 0,
      clockMs: Date.now(),
    });
    await welcomed;
    await fleet.cli(['host', 'revoke', 'alpha', '--reason', 'test']);
    await ended;
    expect(await codeOf(client.renewCertificate({ csrPem: '' }))).to.equal('denied');
    client.close();
  });
});
