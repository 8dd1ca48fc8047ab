import { expect } from 'chai';

import { PlainCheck } from '../../../../src/archives/tar/plain-check.ts';
import type { TarEntry } from '../../../../src/archives/tar/tar-reader.ts';

function file(name: string): TarEntry {
  return {
    kind: 'file',
    name,
    target: '',
    storedBytes: 0,
    size: 0,
    isSparse: false,
    mtime: undefined,
    block: Buffer.alloc(512),
    records: [],
  };
}

describe('PlainCheck', () => {
  /** Takes files in a folder with a long name. */
  function take(check: PlainCheck, files: number): void {
    for (let number = 0; number < files; number += 1) {
      const path = `${'d'.repeat(250)}/${String(number).padStart(250, '0')}`;
      check.take(file(path), path);
    }
  }

  it('is plain with tens of thousands of files', () => {
    const check = new PlainCheck();
    take(check, 25_000);
    expect(check.isPlain).to.equal(true);
  });

  it('bounds its memory: more names than 16 MiB are not plain', () => {
    const check = new PlainCheck();
    take(check, 30_000);
    expect(check.isPlain).to.equal(false);
  });
});
