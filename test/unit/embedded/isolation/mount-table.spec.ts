import { expect } from 'chai';
import { inheritedOptions, mountTable, parseMountInfo } from '../../../../src/embedded/isolation/mount-table.ts';

describe('mountTable', () => {
  const info = parseMountInfo(
    '1 0 8:1 / / rw,relatime - ext4 /dev/a rw\n2 1 0:5 / /t\\040mp rw,nosuid,nodev - tmpfs tmpfs rw\n',
  );

  it('writes binds in order, with blanks escaped as fstab requires', () => {
    const table = mountTable(
      '/new root',
      [
        { step: 'directory', path: '/a' },
        { step: 'bind', path: '/a b', source: '/x', readOnly: false, recursive: true },
      ],
      info,
    );
    expect(table).to.equal('/x /new\\040root/a\\040b none rbind 0 0\n');
  });

  it('repeats the options that may not be cleared on a read-only bind', () => {
    expect(inheritedOptions('/t mp/volume', info)).to.deep.equal(['nosuid', 'nodev']);
    expect(inheritedOptions('/home', info)).to.deep.equal([]);
    const table = mountTable(
      '/r',
      [{ step: 'bind', path: '/a', source: '/t mp/v', readOnly: true, recursive: false }],
      info,
    );
    expect(table).to.equal('/t\\040mp/v /r/a none bind,ro,nosuid,nodev 0 0\n');
  });
});
