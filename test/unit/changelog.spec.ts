// Release notes, read: which entries count, and what is left of their marks.
import { expect } from 'chai';
import { parseChangelog } from '@leafward/shared/changelog.js';

const NOTES = `.. vim: set textwidth=79

*****************
Changes of a Cell
*****************

v2.150.0 - 2026-03-02
=====================

Automatic Migrations
--------------------
- Moved the \`\`inet:thing\`\` nodes to \`inet:other\`, which
  takes a while.
  (\`#17 <https://example.test/17>\`_)
- Rebuilt the index of users.
- See :ref:\`datamigration\` for more information about automatic migrations.

Bugfixes
--------
- Fixed a migration that nobody ran.

v2.140.0 - 2026-01-02
=====================

Model Flag Day
--------------
The form \`\`file:old\`\` is gone.

- Queries with \`\`file:old\`\` fail; see \`the guide <https://example.test/guide>\`_.

Automated Migrations
~~~~~~~~~~~~~~~~~~~~
- **All** file nodes are written anew.

v2.139.1 - 2025-12-31
=====================

Bugfixes
--------
- Nothing of note.
`;

describe('release notes', () => {
  it('give migrations and flag days by release, as plain sentences', () => {
    expect(parseChangelog(NOTES)).to.deep.equal({
      newest: '2.150.0',
      oldest: '2.139.1',
      migrations: [
        {
          version: '2.150.0',
          text: 'Moved the inet:thing nodes to inet:other, which takes a while.',
        },
        { version: '2.150.0', text: 'Rebuilt the index of users.' },
        { version: '2.140.0', text: 'All file nodes are written anew.' },
      ],
      flagDays: [
        { version: '2.140.0', text: 'The form file:old is gone.' },
        { version: '2.140.0', text: 'Queries with file:old fail; see the guide.' },
      ],
    });
  });

  it('read the same with the line ends of Windows', () => {
    expect(parseChangelog(NOTES.replaceAll('\n', '\r\n'))).to.deep.equal(parseChangelog(NOTES));
  });

  it('are none without a release, and keep long entries short', () => {
    expect(parseChangelog('# Changes\n\n- something\n')).to.equal(undefined);
    const long = NOTES.replace('Rebuilt the index of users.', 'x'.repeat(5000));
    const texts = parseChangelog(long)?.migrations.map(({ text }) => text.length);
    expect(Math.max(...(texts ?? []))).to.equal(600);
  });
});
