// The main job on PostgreSQL, with the process runtime.
import { describeMainJob } from './main-job.js';
import { postgresql } from './postgresql.js';

describeMainJob(postgresql);
