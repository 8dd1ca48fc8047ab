import { expect } from 'chai';

import { withVersion } from '../../../scripts/chart/chart-version.ts';

describe('the version of the chart', () => {
  it('is that of the package, for the chart and for the program', () => {
    const chart = 'name: kw\n# The version.\nversion: 0.1.0\nappVersion: "0.1.0"\nkubeVersion: ">=1.30.0-0"\n';
    expect(withVersion(chart, '1.2.3-rc.1')).to.equal(
      'name: kw\n# The version.\nversion: 1.2.3-rc.1\nappVersion: "1.2.3-rc.1"\nkubeVersion: ">=1.30.0-0"\n',
    );
  });

  for (const missing of ['version: 0.1.0\n', 'appVersion: "0.1.0"\n'])
    it(`is refused where the chart has only ${missing.trim()}`, () => {
      expect(() => withVersion(missing, '1.2.3')).to.throw('Chart.yaml has no line like');
    });
});
