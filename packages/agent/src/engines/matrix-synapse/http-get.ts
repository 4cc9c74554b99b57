// One GET with a deadline and a bounded body. Follows nothing, keeps no connection, sends nothing of the host's.
import { get as getPlain, type IncomingMessage, type RequestOptions } from 'node:http';
import { get as getSecure } from 'node:https';
import { LeafwardError, messageOf } from '@leafward/shared/errors.js';

export interface Answer {
  readonly status: number;
  readonly body: string;
}

export interface GetOptions {
  readonly url: URL;
  readonly deadlineMs: number;
  /** A longer body is an error: half of one would be read wrongly. */
  readonly maxBytes: number;
}

/** @throws LeafwardError `unavailable`, `timeout`, `exhausted`, `aborted`, each with the URL. */
export async function httpGet(options: GetOptions, signal: AbortSignal): Promise<Answer> {
  const { url, deadlineMs } = options;
  const what = `ask ${url.origin}${url.pathname}`;
  if (signal.aborted) throw new LeafwardError('aborted', `${what}: stopped by the caller`);
  const deadline = AbortSignal.timeout(deadlineMs);
  try {
    return await ask(options, AbortSignal.any([signal, deadline]));
  } catch (error) {
    if (error instanceof LeafwardError) throw error;
    if (signal.aborted) throw new LeafwardError('aborted', `${what}: stopped by the caller`);
    if (deadline.aborted)
      throw new LeafwardError(
        'timeout',
        `${what}: no whole answer within ${deadlineMs} ms; it hangs, or its host does`,
        { retry: 'later' },
      );
    throw new LeafwardError('unavailable', `${what}: ${messageOf(error)}`, {
      retry: 'later',
      cause: error,
    });
  }
}

function ask({ url, maxBytes }: GetOptions, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    // Whether it lives is asked, not who it is: its certificate is for its clients' name for it.
    const options: RequestOptions & { rejectUnauthorized: boolean } = {
      agent: false,
      signal,
      rejectUnauthorized: false,
    };
    const take = (response: IncomingMessage): void => {
      const chunks: Buffer[] = [];
      let sizeBytes = 0;
      response.on('error', reject);
      response.on('data', (chunk: Buffer) => {
        sizeBytes += chunk.length;
        if (sizeBytes <= maxBytes) return void chunks.push(chunk);
        const text = `ask ${url.origin}${url.pathname}: more than ${maxBytes} bytes came back; is something else there?`;
        response.destroy(new LeafwardError('exhausted', text));
      });
      response.on('end', () => {
        const body = Buffer.concat(chunks).toString('utf8');
        resolve({ status: response.statusCode ?? 0, body });
      });
      response.on('close', () => {
        if (!response.complete) reject(new Error('the answer broke off'));
      });
    };
    const request =
      url.protocol === 'https:' ? getSecure(url, options, take) : getPlain(url, options, take);
    request.on('error', reject);
  });
}
