// Where each member of this host prints to, by its runtime. Decides nothing.
import { join } from 'node:path';
import type { Clock } from '@leafward/shared/clock.js';
import type { MemberIntent } from '@leafward/shared/gen/domain.js';
import { connectEngine } from '../runtimes/docker/engine-client.js';
import { dockerOutput } from '../runtimes/docker/read-logs.js';
import { memberFiles } from '../runtimes/process/member-files.js';
import { processOutput } from '../runtimes/process/read-output.js';
import type { Runtimes } from '../runtimes/registry.js';
import type { MemberOutput } from './member-output.js';

export interface OutputsOptions {
  readonly stateDirectory: string;
  readonly dockerSocket: string;
  readonly clock: Clock;
  readonly runtimes: Runtimes;
  readonly members: () => readonly MemberIntent[];
}

/** Undefined: this host has no such member. Each call reads anew, from the newest line backwards. */
export function outputsOf(options: OutputsOptions): (member: string) => MemberOutput | undefined {
  const { clock, runtimes } = options;
  return (member) => {
    const runtime = options.members().find((one) => one.member === member)?.spec.runtime;
    if (runtime === undefined) return undefined;
    if (runtime === 'process') {
      const files = memberFiles(join(options.stateDirectory, 'members'), member);
      return processOutput(files.outputPath, clock);
    }
    return dockerOutput({
      client: connectEngine(options.dockerSocket),
      clock,
      container: async (signal) => (await runtimes.of('docker').inspect(member, signal)).id,
    });
  };
}
