import { expect } from 'chai';
import fc from 'fast-check';
import { mapPaths, pathMapVariable } from '../../../../src/embedded/isolation/path-map.ts';

const mappings = [
  { from: '/work', to: '/v/1' },
  { from: '/work/in', to: '/v/2' },
  { from: '/.kw', to: '/v/3' },
];

describe('mapPaths', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['/work', '/v/1'],
    ['/work/', '/v/1/'],
    ['/work/a/b', '/v/1/a/b'],
    ['/work/in', '/v/2'],
    ['/work/in/a', '/v/2/a'],
    ['/work/inner', '/v/1/inner'],
    ['/workshop', '/workshop'],
    ['/work.d', '/work.d'],
    ['/home/work', '/home/work'],
    ['--dir=/work', '--dir=/v/1'],
    ['cd /work && ls "/work/in"', 'cd /v/1 && ls "/v/2"'],
    ['/usr/bin:/work/bin', '/usr/bin:/v/1/bin'],
    ['see /work.', 'see /v/1.'],
    ['/.kw/agent', '/v/3/agent'],
    ['x/.kw', 'x/.kw'],
  ];
  for (const [text, mapped] of cases) {
    it(`maps ${text} to ${mapped}`, () => {
      expect(mapPaths(text, mappings)).to.equal(mapped);
    });
  }

  it('leaves a text without a mapped path unchanged', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(!text.includes('/work') && !text.includes('/.kw'));
        expect(mapPaths(text, mappings)).to.equal(text);
      }),
    );
  });

  it('does not map a target again and does not interpret it as a pattern', () => {
    expect(
      mapPaths('/a', [
        { from: '/a', to: '/b/$&' },
        { from: '/b', to: '/c' },
      ]),
    ).to.equal('/b/$&');
  });
});

describe('pathMapVariable', () => {
  it('has a line for each path, the longest first', () => {
    expect(pathMapVariable(mappings)).to.equal('/work/in\t/v/2\n/work\t/v/1\n/.kw\t/v/3\n');
  });
});
