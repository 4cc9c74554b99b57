// The controller as it is, in a process of its own, with a meter beside it.
import { startController, type Controller } from '@leafward/controller/controller.js';
import { systemClock } from '@leafward/shared/clock.js';
import { createLogger } from '@leafward/shared/log.js';
import type { PreparedController } from '../prepared-controller.js';
import { serveParent } from '../child.js';
import { createMeter } from './meter.js';

const meter = createMeter();
let controller: Controller | undefined;

function started(): Controller {
  if (controller === undefined) throw new Error('the controller was not started');
  return controller;
}

/** Reports that are visible in the image: the sum of what the newest facts say of their order. */
const REPORTS_LINE = /^leafward_reports_received_total (\d+)$/m;

async function reports(): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${started().ports.metrics}/metrics`);
  return Number(REPORTS_LINE.exec(await response.text())?.[1] ?? NaN);
}

serveParent(
  {
    start: async ({ stateDir, config }: PreparedController) => {
      controller = await startController({
        stateDir,
        config,
        clock: systemClock,
        log: createLogger('leafward-controller', config.logLevel),
        onFatal: (error) => {
          throw error;
        },
      });
      return controller.ports;
    },
    // Messages are counted by the clients, so that no scrape falls into the window.
    figures: (messages: number) => meter.figures(messages),
    takeLoopDelay: () => meter.takeLoopDelay(),
    connected: () =>
      started()
        .fleet.liveHosts()
        .filter((host) => host.session !== undefined).length,
    reports,
    /** Positions of each host's first member, as the snapshot shows them. */
    positions: () =>
      Object.values(started().fleet.snapshot().hosts).map(
        (host) => Object.values(host.members)[0]?.value.engine.position ?? -1,
      ),
  },
  async () => controller?.stop(),
);
