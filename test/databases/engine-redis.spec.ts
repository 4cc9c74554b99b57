// What every engine owes, by the engine that the shipped kind describes, on real servers of Redis.
import { engineObligations } from '../conformance/engine.js';
import { makeEngineSubject } from './engine-subject.js';
import { redis } from './redis.js';
import { requireDatabases } from './requirements.js';

describe('described with commands', function () {
  before(function () {
    requireDatabases(this, 'redis');
  });
  engineObligations(
    'Redis',
    {
      handsOver: 'by-stopping',
      writesThroughMirrors: false,
      digestsEntries: false,
      backupEndsWithMember: false,
    },
    (options) => makeEngineSubject(redis, options),
  );
});
