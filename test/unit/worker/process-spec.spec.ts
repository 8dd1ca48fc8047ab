import { expect } from 'chai';

import { checkPosition, checkProcess, checkWindowSize } from '../../../src/worker/process-spec.ts';

describe('checkProcess', () => {
  const defaults = { dir: '/build', user: 'builder' };
  const check = (spec: Partial<Parameters<typeof checkProcess>[0]>, from = defaults) => checkProcess({ path: 'make', ...spec }, from, () => 'new-id');

  it("completes it with the container's", () => {
    expect(check({ args: ['all'], env: ['A=b'] })).to.deep.equal({
      id: 'new-id',
      args: ['make', 'all'],
      env: ['A=b'],
      dir: '/build',
      user: 'builder',
      tty: undefined,
    });
  });

  it("prefers its own dir, below the container's where it is relative, and its own user", () => {
    expect(check({ dir: 'sub/../other', user: '1000:1000' })).to.include({ dir: '/build/other', user: '1000:1000' });
    expect(check({ dir: '/else' }).dir).to.equal('/else');
  });

  it('gives a terminal without a size 500 columns and rows', () => {
    expect(check({ tty: {} }).tty).to.deep.equal({ columns: 500, rows: 500 });
  });

  it('refuses a relative dir where the container has none', () => {
    expect(() => checkProcess({ path: 'make', dir: 'sub' }, { dir: undefined, user: undefined }, () => 'id')).to.throw(/^dir: /);
  });

  it('refuses ids that are no names', () => {
    for (const id of ['', '.', '..', '.hidden', 'a/b', 'a b', 'a\n', 'x'.repeat(101)])
      expect(() => check({ id }), JSON.stringify(id)).to.throw(/^id: /);
  });

  it('refuses a NUL anywhere', () => {
    expect(() => check({ path: 'a\0' })).to.throw(/^path: /);
    expect(() => check({ args: ['ok', 'a\0'] })).to.throw(/^args\[1\]: /);
    expect(() => check({ env: ['A=\0'] })).to.throw(/^env\[0\]: /);
    expect(() => check({ dir: '/a\0' })).to.throw(/^dir: /);
  });
});

describe('checkWindowSize', () => {
  it('takes 1 to 65535, and names what is not', () => {
    expect(checkWindowSize('size', { columns: 1, rows: 65_535 })).to.deep.equal({ columns: 1, rows: 65_535 });
    expect(() => checkWindowSize('size', { columns: 0, rows: 1 })).to.throw(/^size\.columns: /);
    expect(() => checkWindowSize('size', { columns: 1, rows: 1.5 })).to.throw(/^size\.rows: /);
  });
});

describe('checkPosition', () => {
  it('takes the start, now, and offsets', () => {
    for (const position of ['start', 'now', { stdoutBytes: 0, stderrBytes: 7 }] as const)
      expect(checkPosition('from', position)).to.deep.equal(position);
  });

  it('refuses anything else', () => {
    expect(() => checkPosition('from', 'end' as 'now')).to.throw(/^from: /);
    expect(() => checkPosition('from', { stdoutBytes: -1, stderrBytes: 0 })).to.throw(/^from\.stdoutBytes: /);
  });
});
