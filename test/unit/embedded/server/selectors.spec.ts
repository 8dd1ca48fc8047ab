import { expect } from 'chai';
import { ApiError } from '../../../../src/embedded/objects/status.ts';
import { parseFieldSelector, parseLabelSelector } from '../../../../src/embedded/server/selectors.ts';

describe('parseLabelSelector', () => {
  const labels = { app: 'web', tier: 'front', 'example.com/size': '5' };
  const cases: readonly (readonly [string, boolean])[] = [
    ['', true],
    ['app=web', true],
    ['app==web', true],
    ['app=db', false],
    ['app!=db', true],
    ['missing!=db', true],
    ['app', true],
    ['!app', false],
    ['!missing', true],
    ['missing', false],
    ['app in (web,db)', true],
    ['app in (db)', false],
    ['missing in (db)', false],
    ['app notin (db, cache)', true],
    ['missing notin (db)', true],
    ['app notin (web)', false],
    ['app=web,tier=front', true],
    ['app=web,tier=back', false],
    ['app in (web,db),tier', true],
    ['example.com/size>4', true],
    ['example.com/size<5', false],
    ['app>4', false],
  ];
  for (const [selector, matches] of cases) {
    it(`${matches ? 'selects' : 'does not select'} by ${JSON.stringify(selector)}`, () => {
      expect(parseLabelSelector(selector)(labels)).to.equal(matches);
    });
  }

  it('selects everything without a selector', () => {
    expect(parseLabelSelector(null)({})).to.equal(true);
  });

  for (const bad of ['a===b', 'a in b', '=b', 'a=b c', 'a,,b']) {
    it(`rejects ${JSON.stringify(bad)} with 400`, () => {
      expect(() => parseLabelSelector(bad))
        .to.throw(ApiError)
        .with.property('code', 400);
    });
  }
});

describe('parseFieldSelector', () => {
  const supported = ['metadata.name', 'status.phase'];

  it('compares fields for equality and inequality', () => {
    const fields = { 'metadata.name': 'a', 'status.phase': 'Running' };
    expect(parseFieldSelector('metadata.name=a,status.phase!=Failed', supported)(fields)).to.equal(true);
    expect(parseFieldSelector('metadata.name==b', supported)(fields)).to.equal(false);
  });

  it('rejects a field that the kind does not support with 400', () => {
    expect(() => parseFieldSelector('spec.foo=b', supported)).to.throw(ApiError, 'field label not supported: spec.foo');
  });
});
