import { expect } from 'chai';

import { readArguments, UsageError } from '../../../bench/harness/arguments.ts';
import { settingsOf, usageOf } from '../../../bench/harness/usage.ts';

describe('the command line of the benchmarks', () => {
  it('parses the name of a benchmark and the selection of its cases', () => {
    const { name, json, only, pairs, settings, help } = readArguments([
      'transfer',
      '--only',
      '^UP,',
      '--pairs',
      '9',
      '--json',
      'out.json',
      '--set',
      'a=b=c',
    ]);
    expect({ name, json, pairs, help }).to.deep.equal({ name: 'transfer', json: 'out.json', pairs: 9, help: false });
    expect(only?.test('up, something')).to.equal(true);
    expect(only?.test('sup, something')).to.equal(false);
    expect(settings.get('a')).to.equal('b=c');
  });

  it('returns undefined for missing options', () => {
    expect(readArguments(['transfer'])).to.deep.include({ only: undefined, pairs: undefined, json: undefined });
  });

  it('parses a request for help', () => {
    expect(readArguments(['--help']).help).to.equal(true);
    expect(readArguments(['transfer', '-h'])).to.include({ help: true, name: 'transfer' });
  });

  for (const wrong of [
    ['a', 'b'],
    ['--what'],
    ['--pairs', '0'],
    ['--pairs', 'many'],
    ['--only', '('],
    ['--set', 'a'],
    ['--json'],
  ])
    it(`rejects ${wrong.join(' ')}`, () => {
      expect(() => readArguments(wrong)).to.throw(UsageError);
    });

  const settings = { rate: { value: '20', meaning: 'MiB/s' } };

  it('accepts the settings of the benchmark, and uses defaults for the others', () => {
    expect(settingsOf({ settings }, new Map([['rate', '5']]))('rate')).to.equal('5');
    expect(settingsOf({ settings }, new Map())('rate')).to.equal('20');
    expect(() => settingsOf({ settings }, new Map([['ratio', '5']]))).to.throw(UsageError, 'ratio');
    expect(() => settingsOf({}, new Map([['rate', '5']]))).to.throw(UsageError, 'rate');
  });

  it('throws if a benchmark reads a setting that it does not declare', () => {
    expect(() => settingsOf({ settings }, new Map())('ratio')).to.throw(TypeError);
  });

  it('lists the benchmarks, or the settings of one, in its usage', () => {
    expect(usageOf(['memory', 'transfer'])).to.include('memory, transfer');
    expect(usageOf(['memory'], { name: 'memory', settings })).to.match(/rate=20 +MiB\/s/);
  });
});
