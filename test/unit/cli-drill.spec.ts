// How a drill is told to an operator: what was recorded, what was found, and what that means.
import { expect } from 'chai';
import type { Backup, Drill } from '@leafward/shared/gen/domain.js';
import { renderDrill } from '@leafward/controller/cli/render/drill.js';

const backup: Backup = {
  ...{ name: 'b1', service: 'cortex', member: '01.cortex', host: 'bravo', path: '/b/b1', term: 1 },
  ...{ sizeBytes: 1, files: 1, startedAt: 1, finishedAt: 2, manifestSha256: 'x' },
  ...{ version: '2.113.0', position: 1200 },
};
const drill: Drill = {
  ...{ at: 3, ok: true, image: { reference: 'cortex:2.113.0', digest: 'sha256:1' } },
  ...{ version: '2.113.0', position: 1204, problems: [] },
  ...{ tookMs: 21_000, copyMs: 1000, migrationMs: 0, bytes: 15 * 1024 * 1024 },
};

describe('a drill, as text', () => {
  it('that proves its backup tells the time of a restore', () => {
    expect(renderDrill(backup, drill, false)).to.equal(
      [
        'b1 is proven: restored in 21 s: 15 MiB copied in 1 s, then booted without a network',
        '  version: recorded 2.113.0, found 2.113.0',
        '  position: recorded 1,200, found 1,204',
      ].join('\n'),
    );
  });

  it('that fails says why, and what to do', () => {
    const problems = ['it was not up after 60 s: nobody listens', 'it printed: no room'];
    const failed = { ...drill, ok: false, version: undefined, position: undefined, problems };
    const lines = renderDrill(backup, failed, false).split('\n');
    expect(lines[0]).to.match(/^b1 is not proven: given up after 21 s/);
    expect(lines.slice(3)).to.deep.equal([
      '  - it was not up after 60 s: nobody listens',
      '  - it printed: no room',
      'It counts for no update. Take another one: leafward backup run cortex',
    ]);
  });

  it('says of positions that begin anew that they do, and of a rehearsal how long it migrated', () => {
    expect(renderDrill(backup, { ...drill, position: 0 }, false)).to.include(
      'found 0, as its positions begin anew at a start',
    );
    const image = { reference: 'cortex:2.150.0', digest: 'sha256:2' };
    const text = renderDrill(backup, { ...drill, image, migrationMs: 11_000 }, true);
    expect(text).to.match(/^b1 comes up with cortex:2\.150\.0: .*, 11 s of it migrating/);
    expect(text).to.not.include('proven');
  });
});
