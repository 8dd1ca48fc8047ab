import { expect } from 'chai';
import {
  checkConfigKey,
  checkLabelValue,
  checkQualifiedName,
  checkSubdomain,
} from '../../../../src/embedded/objects/names.ts';

describe('names', () => {
  it('checks names, label keys and label values', () => {
    expect(checkSubdomain('a-b.c1')).to.equal(undefined);
    for (const bad of ['A', 'a_b', '-a', 'a.', 'a..b', 'x'.repeat(254)])
      expect(checkSubdomain(bad), bad).to.be.a('string');
    expect(checkQualifiedName('example.com/Some_name.1')).to.equal(undefined);
    for (const bad of ['', 'a/b/c', '/a', 'A.com/b', 'a b', 'x'.repeat(64)])
      expect(checkQualifiedName(bad), bad).to.be.a('string');
    expect(checkLabelValue('')).to.equal(undefined);
    for (const bad of ['a/b', '-a', 'x'.repeat(64)]) expect(checkLabelValue(bad), bad).to.be.a('string');
  });

  it('rejects the config keys `.` and `..`', () => {
    expect(checkConfigKey('..data')).to.equal(undefined);
    for (const bad of ['.', '..']) expect(checkConfigKey(bad)).to.equal(`must not be '${bad}'`);
  });
});
