// The demo's steps and its report. Everything in the report was observed; a step that was not so fails it.
import { writeFile } from 'node:fs/promises';

export interface StepResult {
  readonly name: string;
  readonly ok: boolean;
  readonly seconds: number;
  readonly detail: string;
}

export interface DemoReport {
  readonly steps: readonly StepResult[];
  /** In the order in which the members were seen with the new version. */
  readonly updateOrder: readonly string[];
  readonly failover?: {
    readonly oldLeader: string;
    readonly newLeader: string;
    readonly seconds: number;
    readonly lostAcknowledged: number;
  };
  /** Processes seen running from the retired leader's storage after its host came back. */
  readonly retiredStarts: number;
}

export interface Steps {
  /** Runs one step, prints it with its time. @throws what the step throws, after it was written down. */
  step<T>(name: string, act: (note: (detail: string) => void) => Promise<T>): Promise<T>;
  readonly results: readonly StepResult[];
}

export function createSteps(say: (line: string) => void): Steps {
  const results: StepResult[] = [];
  return {
    results,
    async step(name, act) {
      const started = Date.now();
      const pending = `· ${name} …`;
      if (process.stdout.isTTY) process.stdout.write(pending);
      const details: string[] = [];
      const finish = (ok: boolean): void => {
        const seconds = Math.round((Date.now() - started) / 10) / 100;
        results.push({ name, ok, seconds, detail: details.join('; ') });
        if (process.stdout.isTTY) process.stdout.write(`\r${' '.repeat(pending.length)}\r`);
        say(`${ok ? '✓' : '✗'} ${name}  ${seconds.toFixed(1)} s`);
        for (const detail of details) say(`    ${detail}`);
      };
      try {
        const value = await act((detail) => details.push(detail));
        finish(true);
        return value;
      } catch (error) {
        details.push(error instanceof Error ? error.message : String(error));
        finish(false);
        throw error;
      }
    },
  };
}

export async function writeReport(path: string, report: DemoReport): Promise<void> {
  await writeFile(path, `${JSON.stringify(report, null, 2)}\n`);
}
