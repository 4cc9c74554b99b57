// What every runtime owes, on a real Docker Engine.
import { runtimeObligations } from '../conformance/runtime.js';
import { requireOrSkip } from '../rig/requirements.js';
import { dockerSubject } from './docker-subject.js';

describe('on a real Engine', function () {
  before(function () {
    requireOrSkip(this, 'engine');
  });
  runtimeObligations('docker', dockerSubject);
});
