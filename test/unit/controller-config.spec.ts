// controller.yaml: every problem at once, with its path.
import { expect } from 'chai';
import { LeafwardError } from '@leafward/shared/errors.js';
import { parseConfig, renderConfig, splitAddress } from '@leafward/controller/config.js';

const problemsOf = (text: string): readonly string[] => {
  try {
    parseConfig(text, 'controller.yaml');
    return [];
  } catch (error) {
    expect(error).to.be.instanceOf(LeafwardError);
    return (error as LeafwardError).detail;
  }
};

describe('controller.yaml', () => {
  it('fills in what is not said and survives being written', () => {
    const config = parseConfig(
      'fleet: acme\nnames: [ctl.acme.example]\nlisten: {}\n',
      'controller.yaml',
    );
    expect(config.listen.mtls).to.equal('0.0.0.0:7443');
    expect(parseConfig(renderConfig(config), 'controller.yaml')).to.deep.equal(config);
  });

  it('names every problem at once', () => {
    const problems = problemsOf('fleet: Acme!\nnames: []\nlisten: {mtls: here}\nother: 1\n');
    expect(problems).to.have.length(4);
    expect(problems.join('\n')).to.include('listen.mtls').and.to.include('other');
  });

  it('refuses what is not YAML', () => {
    expect(problemsOf('fleet: [')).to.have.length.greaterThan(0);
  });

  it('takes IPv6 addresses apart', () => {
    expect(splitAddress('[::1]:7443')).to.deep.equal({ host: '::1', port: 7443 });
  });
});
