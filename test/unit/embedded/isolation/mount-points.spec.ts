import { expect } from 'chai';
import { nestedPoints } from '../../../../src/embedded/isolation/mount-points.ts';

describe('nestedPoints', () => {
  it('finds the innermost mount around each mount', () => {
    const mount = (path: string) => ({ path, source: `/v${path}`, kind: 'directory' as const, readOnly: false });
    const points = nestedPoints([mount('/a/b/c'), mount('/a'), mount('/a/b'), mount('/ab')]);
    expect(points.map(({ mount: { path }, point }) => [path, point])).to.deep.equal([
      ['/a/b', '/v/a/b'],
      ['/a/b/c', '/v/a/b/c'],
    ]);
  });
});
