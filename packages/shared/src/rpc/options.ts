// Limits and keepalive of every connection, the same on both ends.
import type { ChannelOptions } from '@grpc/grpc-js';

/** Largest message either side takes: the report of a host with 500 members has about 1 MiB. */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
// A peer that falls silent is noticed within 2.5 + 2 s, so always in less than 5 s; a loop that is busy for
// less than 2 s is not taken for dead.
const KEEPALIVE_EVERY_MS = 2500;
const KEEPALIVE_TIMEOUT_MS = 2000;

const common: ChannelOptions = {
  'grpc.keepalive_time_ms': KEEPALIVE_EVERY_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
};

/** For every client of Leafward: one connection of its own, no proxy from the environment, no retries inside. */
export const channelOptions: ChannelOptions = {
  ...common,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_http_proxy': 0,
  'grpc.enable_retries': 0,
};

/** For every server of Leafward. */
export const serverOptions: ChannelOptions = {
  ...common,
  'grpc.max_concurrent_streams': 100, // an agent has one, an operator a few
};
