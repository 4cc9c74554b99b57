// leafward backup schedule as it is drawn and as JSON, and what the status says of it.
import { expect } from 'chai';
import { renderSchedule } from '@leafward/controller/cli/render/schedule.js';
import { renderStatus } from '@leafward/controller/cli/render/status.js';
import { plainPaint, type Style } from '@leafward/controller/cli/render/style.js';
import type { DutyView, Status } from '@leafward/shared/gen/domain.js';
import { NOW, startFixture, status } from './cli-fixture.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const style: Style = { paint: plainPaint, columns: undefined, now: NOW };
const golden = (text: string): string => text.replace(/^\n/, '').replace(/\n *$/, '');

const duties: readonly DutyView[] = [
  {
    duty: {
      member: '02.cortex',
      service: 'cortex',
      nextAt: NOW - MINUTE,
      dueAt: NOW - 2 * HOUR,
      failures: 3,
      code: 'late',
      problem: 'the backup that was due has not begun: 02.cortex does not answer',
      nextDrillAt: NOW + 51 * HOUR,
    },
    host: 'charlie',
    rank: 0,
    state: 'late',
    backedUpAt: NOW - 26 * HOUR,
  },
  {
    duty: { member: '00.cortex', service: 'cortex', nextAt: NOW + 23 * HOUR, failures: 0 },
    host: 'alpha',
    rank: 3,
    state: 'waiting',
  },
];
const [cortex, ...others] = status.services;
if (cortex === undefined) throw new Error('the fixture has no service');
const withDuties: Status = {
  ...status,
  services: [{ ...cortex, duties: { duties } }, ...others],
};

describe('leafward backup schedule', () => {
  it('draws who is backed up when, and why one is not', () => {
    expect(renderSchedule(duties, style)).to.equal(
      golden(`
SERVICE  MEMBER     HOST     NEXT     DUE      BACKED UP  STATE    FAILED  DRILL
cortex   02.cortex  charlie  now      2 h ago  26 h ago   late          3  in 2 d 3 h
cortex   00.cortex  alpha    in 23 h  –        –          waiting       0  –
  02.cortex: the backup that was due has not begun: 02.cortex does not answer
`),
    );
    expect(renderSchedule([], style)).to.include('backup.schedule');
  });

  it('gives the same as JSON', async () => {
    const fixture = await startFixture({ getStatus: async () => ({ status: withDuties }) });
    try {
      const { code, stdout } = await fixture.run(['backup', 'schedule', 'cortex', '-o', 'json']);
      expect(code).to.equal(0);
      expect(JSON.parse(stdout)).to.eql(duties);
    } finally {
      fixture.stop();
    }
  });

  it('is in the status in one phrase: who begins next', () => {
    expect(renderStatus(withDuties, style)).to.include(' · next now (02.cortex)');
    expect(renderStatus(status, style)).to.not.include(' · next ');
  });
});
