// The simulated engine owes what the real ones owe: what the simulation finds with it is then worth something.
import { engineObligations } from '../conformance/engine.js';
import { makeSimulatedSubject } from './engine-subject.js';

engineObligations(
  'of the simulation',
  {
    handsOver: 'gracefully',
    writesThroughMirrors: true,
    digestsEntries: true,
    backupEndsWithMember: false,
  },
  () => makeSimulatedSubject(),
);
