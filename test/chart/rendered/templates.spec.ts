import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect } from 'chai';

import { chartFolder } from '../../support/chart/helm.ts';
import { runChartProgram } from '../../support/chart/programs.ts';

const suites = readdirSync(join(chartFolder, 'tests')).filter((file) => file.endsWith('_test.yaml'));

describe('the tests of the templates, by helm-unittest', () => {
  for (const suite of suites)
    it(`pass: ${suite}`, async () => {
      const { status, stdout } = await unittest(`tests/${suite}`);
      const [, passed = ''] = /^Tests: +(\d+) passed, \d+ total$/m.exec(stdout) ?? [];
      expect(status, stdout).to.equal(0);
      const written = readFileSync(join(chartFolder, 'tests', suite), 'utf8').match(/^ {2}- it: /gm)?.length;
      expect(Number(passed), stdout).to.equal(written);
      console.log(`      ${passed} passed`);
    });

  async function unittest(file: string): ReturnType<typeof runChartProgram> {
    return await runChartProgram('helm-unittest', ['--strict', '--file', file, chartFolder]);
  }
});
