// What members print, for an operator who asks: not yet.
import { LeafwardError } from '@leafward/shared/errors.js';
import type { StreamLogsResponse } from '@leafward/shared/gen/domain.js';

export async function* streamLogs(): AsyncGenerator<StreamLogsResponse, void> {
  await Promise.resolve();
  throw new LeafwardError('refused', 'logs: not yet');
}
