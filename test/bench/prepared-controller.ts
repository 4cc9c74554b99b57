// A controller's state directory with a deployed fleet whose agents are enrolled: made here, so that the process
// that is measured only serves.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ControllerConfig } from '@leafward/controller/config.js';
import { openFoundation } from '@leafward/controller/controller.js';
import type { Enrollment } from '@leafward/controller/enrollment.js';
import { initController } from '@leafward/controller/init.js';
import { systemClock } from '@leafward/shared/clock.js';
import { createCsr } from '@leafward/shared/pki/csr.js';
import { parseEnrollmentUrl } from '@leafward/shared/pki/enrollment-url.js';
import { createKey } from '@leafward/shared/pki/keys.js';
import type { ClientMaterial } from '@leafward/shared/rpc/credentials.js';
import { freePorts } from '../fleet/programs.js';
import { intentOf, serviceStateOf, type SampleFleet } from './sample-fleet.js';

export interface AgentMaterial {
  readonly host: string;
  readonly material: ClientMaterial;
}

export interface PreparedController {
  readonly stateDir: string;
  readonly config: ControllerConfig;
  readonly address: string;
  /** JSON: AgentMaterial[]. */
  readonly agentsPath: string;
}

export async function prepareController(
  dir: string,
  fleet: SampleFleet,
): Promise<PreparedController> {
  const [mtls = 0, enrollment = 0, metrics = 0] = await freePorts(3);
  const stateDir = join(dir, 'controller');
  const config: ControllerConfig = {
    fleet: 'bench',
    names: ['127.0.0.1'],
    listen: {
      mtls: `127.0.0.1:${mtls}`,
      enrollment: `127.0.0.1:${enrollment}`,
      metrics: `127.0.0.1:${metrics}`,
    },
    certificates: { agentDays: 30, userDays: 30, controllerDays: 90 },
    reportEveryMs: 5000,
    logLevel: 'info',
  };
  await initController({ stateDir, config, operator: 'admin', clock: systemClock });
  const foundation = await openFoundation({ stateDir, config, clock: systemClock });
  const agents: AgentMaterial[] = [];
  try {
    for (const host of fleet.hosts) agents.push(await enrollAgent(foundation.enrollment, host));
    const epoch = await foundation.store.takeOver();
    await foundation.store.commit(
      [
        ...[...fleet.byService.keys()].map((name) => ({
          kind: 'service' as const,
          name,
          state: serviceStateOf(fleet, name),
        })),
        ...fleet.hosts.map((host) => ({ kind: 'intent' as const, intent: intentOf(fleet, host) })),
      ],
      epoch,
    );
  } finally {
    await foundation.database.close();
  }
  const agentsPath = join(dir, 'agents.json');
  await writeFile(agentsPath, JSON.stringify(agents));
  return { stateDir, config, address: config.listen.mtls, agentsPath };
}

async function enrollAgent(enrollment: Enrollment, name: string): Promise<AgentMaterial> {
  const { url } = await enrollment.invite({ kind: 'agent', name, ttlMs: 0, madeBy: 'bench' });
  const { token } = parseEnrollmentUrl(url);
  const keyPem = await createKey();
  const { certificatePem, caPem, fleet } = await enrollment.handlers.enroll(
    { token, csrPem: createCsr(keyPem, name), name },
    { caller: undefined, peer: 'bench', signal: new AbortController().signal },
  );
  return { host: name, material: { keyPem, certificatePem, caPem, fleet } };
}
