// One command being carried out: its connection, its output format and its looks. Owns the connection and
// closes it; decides nothing.
import { stringify } from 'yaml';
import type { OperatorService } from '@leafward/shared/gen/domain.js';
import type { CallOptions, ServiceClient } from '@leafward/shared/rpc/service.js';
import type { CliContext, OperatorConnection } from './context.js';
import { colourPaint, plainPaint, type Style } from './render/style.js';
import { cleanData } from './render/text.js';

export type Format = 'table' | 'json' | 'yaml';

export interface RunOptions {
  readonly output?: Format | undefined;
  readonly color?: boolean | undefined;
}

export class Run {
  private connection: OperatorConnection | undefined;
  readonly format: Format;

  constructor(
    readonly context: CliContext,
    private readonly options: RunOptions,
  ) {
    this.format = options.output ?? 'table';
  }

  /** Options of every unary call: ends with Ctrl-C, and by itself. */
  get call(): CallOptions {
    return { signal: this.context.signal };
  }

  async client(): Promise<ServiceClient<OperatorService>> {
    this.connection ??= await this.context.connect(this.context.signal);
    return this.connection.client;
  }

  /** How this terminal is drawn on; `now` is the moment that ages are counted from. */
  style(now = this.context.clock.now()): Style {
    const { terminal, environment } = this.context;
    const noColour = environment['NO_COLOR'] !== undefined && environment['NO_COLOR'] !== '';
    const coloured = terminal.interactive && !noColour && this.options.color !== false;
    return {
      paint: coloured ? colourPaint : plainPaint,
      columns: terminal.size()?.columns,
      now,
    };
  }

  /** The data as it is for json and yaml, else as the renderer draws it. */
  show<T>(data: T, render: (data: T, style: Style) => string, now?: number): void {
    const { write } = this.context.terminal;
    if (this.format === 'json') write(`${JSON.stringify(data, null, 2)}\n`);
    else if (this.format === 'yaml') write(stringify(data, { aliasDuplicateObjects: false }));
    else write(`${render(cleanData(data), this.style(now))}\n`);
  }

  /** One of many documents of a watch: a line of JSON, or a YAML document. */
  showNext(data: object): void {
    const { write } = this.context.terminal;
    if (this.format === 'json') write(`${JSON.stringify(data)}\n`);
    else write(`---\n${stringify(data, { aliasDuplicateObjects: false })}`);
  }

  /** A sentence for a person; nothing for json and yaml. */
  say(text: string): void {
    if (this.format === 'table') this.context.terminal.write(`${text}\n`);
  }

  /** A remark that must not get into the output: stderr. */
  remark(text: string): void {
    this.context.terminal.writeError(`${text}\n`);
  }

  /** True for yes, and where nobody can be asked: a script that names the subject has decided already. */
  async confirm(question: string, yes: boolean): Promise<boolean> {
    if (yes || !this.context.terminal.interactive || this.format !== 'table') return true;
    return this.context.confirm(question, this.context.signal);
  }

  close(): void {
    this.connection?.client.close();
  }
}
