// The main job on Redis, with the process runtime.
import { describeMainJob } from './main-job.js';
import { redis } from './redis.js';

describeMainJob(redis);
