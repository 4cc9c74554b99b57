// leafward forecast as it is drawn and as JSON, and what the controller's call finds for a host, a service and a slip.
import { expect } from 'chai';
import { renderForecast } from '@leafward/controller/cli/render/forecast.js';
import { plainPaint, type Style } from '@leafward/controller/cli/render/style.js';
import { getForecast } from '@leafward/controller/operators/forecast.js';
import type { GetForecastResponse } from '@leafward/shared/gen/domain.js';
import { DAY_MS, GiB, growing } from '../planning/forecast-world.js';
import { NOW, startFixture, volumeForecast } from './cli-fixture.js';

const style: Style = { paint: plainPaint, columns: undefined, now: NOW };
const golden = (text: string): string => text.replace(/^\n/, '').replace(/\n *$/, '');

describe('leafward forecast', () => {
  it('draws a row for each rule, and says why one is not known', () => {
    expect(renderForecast({ now: NOW, volumes: [volumeForecast] }, style)).to.equal(
      golden(`
HOST   VOLUME            FREE      DATA   A DAY  BACKUPS  A DAY  RULE    BREAKS ON          BETWEEN
bravo  /srv/cortex/01  20 GiB  12.5 GiB  +1 GiB   25 GiB      –  backup  not known yet      –
                                                                 50 %    2026-12-04         2026-11-29 and 2026-12-07
                                                                 boot    not within a year  –

bravo /srv/cortex/01: too little is known yet (measured for 30 h; it takes two days)
`),
    );
    expect(renderForecast({ now: NOW, volumes: [] }, style)).to.include('no volume is known yet');
  });

  it('gives the same as JSON', async () => {
    const fixture = await startFixture();
    try {
      const { code, stdout } = await fixture.run(['forecast', 'cortex', '-o', 'json']);
      expect(code).to.equal(0);
      expect(JSON.parse(stdout)).to.eql({ now: NOW, volumes: [volumeForecast] });
    } finally {
      fixture.stop();
    }
  });

  it('is asked for by host, by service or for the whole fleet', () => {
    const snapshot = growing({ dataPerDay: GiB });
    const of = (subject?: string): GetForecastResponse['volumes'] =>
      getForecast(snapshot, subject).volumes;
    expect(of().map(({ host, volume, services }) => [host, volume, services])).to.eql([
      ['alpha', '/srv/cortex', ['cortex']],
      ['bravo', '/srv/other', []],
    ]);
    expect(of('cortex').map(({ host }) => host)).to.eql(['alpha']);
    expect(of('bravo').map(({ host }) => host)).to.eql(['bravo']);
    expect(() => of('nobody')).to.throw('there is no host or service nobody');
    const [boot] = of('alpha').flatMap(({ rules }) => rules.filter(({ rule }) => rule === 'boot'));
    expect(boot?.verdict).to.equal('breaks');
    expect(boot?.expectedAt).to.equal(snapshot.now + 55 * DAY_MS);
  });
});
