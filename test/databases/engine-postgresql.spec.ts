// What every engine owes, by the engine that the shipped kind describes, on real servers of PostgreSQL.
import { engineObligations } from '../conformance/engine.js';
import { makeEngineSubject } from './engine-subject.js';
import { postgresql } from './postgresql.js';
import { requireDatabases } from './requirements.js';

describe('described with commands', function () {
  before(function () {
    requireDatabases(this, 'postgresql');
  });
  engineObligations(
    'PostgreSQL',
    {
      handsOver: 'by-stopping',
      writesThroughMirrors: false,
      digestsEntries: false,
      backupEndsWithMember: false,
    },
    (options) => makeEngineSubject(postgresql, options),
  );
});
