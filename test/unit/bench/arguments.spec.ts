import { expect } from 'chai';

import { readArguments, UsageError } from '../../../bench/harness/arguments.ts';
import { settingsOf, usageOf } from '../../../bench/harness/usage.ts';

describe('the command line of the benchmarks', () => {
  it('names a benchmark, and what to run of it', () => {
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

  it('leaves to the cases what it does not say', () => {
    expect(readArguments(['transfer'])).to.deep.include({ only: undefined, pairs: undefined, json: undefined });
  });

  it('asks for help', () => {
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
    it(`refuses ${wrong.join(' ')}`, () => {
      expect(() => readArguments(wrong)).to.throw(UsageError);
    });

  const settings = { rate: { value: '20', meaning: 'MiB/s' } };

  it('takes settings that the benchmark has, and its own values for the others', () => {
    expect(settingsOf({ settings }, new Map([['rate', '5']]))('rate')).to.equal('5');
    expect(settingsOf({ settings }, new Map())('rate')).to.equal('20');
    expect(() => settingsOf({ settings }, new Map([['ratio', '5']]))).to.throw(UsageError, 'ratio');
    expect(() => settingsOf({}, new Map([['rate', '5']]))).to.throw(UsageError, 'rate');
  });

  it('does not let a benchmark ask for a setting that it has not declared', () => {
    expect(() => settingsOf({ settings }, new Map())('ratio')).to.throw(TypeError);
  });

  it('says in its usage which benchmarks there are, and which settings one has', () => {
    expect(usageOf(['memory', 'transfer'])).to.include('memory, transfer');
    expect(usageOf(['memory'], { name: 'memory', settings })).to.match(/rate=20 +MiB\/s/);
  });
});
