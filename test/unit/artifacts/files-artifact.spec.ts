import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';

import { expect } from 'chai';
import fc from 'fast-check';

import { artifactOfFiles } from '../../../src/artifacts/files-artifact.ts';
import { rejection } from '../../support/rejection.ts';
import { readTar } from '../../support/tar.ts';

describe('artifactOfFiles', () => {
  const artifact = artifactOfFiles({
    'a.txt': 'ä',
    'b/secret': { content: new Uint8Array([0, 255]), mode: 0o400 },
    'b/c/deep': '',
  });

  async function entriesOf(path: string): Promise<Record<string, string>> {
    const entries = await readTar(await buffer(await artifact.streamOut(path)));
    return Object.fromEntries(
      [...entries].map(([name, { mode, content }]) => [name, `${mode.toString(8)} ${content.toString('hex')}`]),
    );
  }

  for (const root of ['', '.', '/'])
    it(`streams out all files from ${JSON.stringify(root)}, with their modes`, async () => {
      expect(await entriesOf(root)).to.deep.equal({ 'a.txt': '644 c3a4', 'b/secret': '400 00ff', 'b/c/deep': '644 ' });
    });

  it('streams out a folder or a file with relative names', async () => {
    expect(await entriesOf('b')).to.deep.equal({ secret: '400 00ff', 'c/deep': '644 ' });
    expect(await entriesOf('b/c/')).to.deep.equal({ deep: '644 ' });
    expect(await entriesOf('./b/secret')).to.deep.equal({ secret: '400 00ff' });
  });

  it('gives the same bytes each time, in each encoding', async () => {
    const raw = await buffer(await artifact.streamOut('.'));
    expect((await buffer(await artifact.streamOut('.'))).equals(raw)).to.equal(true);
    expect(gunzipSync(await buffer(await artifact.streamOut('.', { encoding: 'gzip' }))).equals(raw)).to.equal(true);
  });

  it('rejects a path that does not exist, and an unknown encoding', async () => {
    expect(await rejection(artifact.streamOut('b/none'))).to.include({ code: 'KW_ERR_FILE_NOT_FOUND' });
    expect(await rejection(artifact.streamOut('.', { encoding: 'rar' as 'raw' }))).to.include({
      code: 'KW_ERR_UNSUPPORTED_ENCODING',
    });
  });

  it('has an empty archive without files', async () => {
    expect(await readTar(await buffer(await artifactOfFiles({}).streamOut('.')))).to.have.property('size', 0);
  });

  it('reads a file up to the limit', async () => {
    expect(await artifact.readFile('b/secret')).to.deep.equal(new Uint8Array([0, 255]));
    expect(await rejection(artifact.readFile('b/secret', { limitBytes: 1 }))).to.include({
      code: 'KW_ERR_ARTIFACT_TOO_LARGE',
    });
    expect(await rejection(artifact.readFile('b'))).to.include({ code: 'KW_ERR_PATH_CONFLICT' });
    expect(await rejection(artifact.readFile('none'))).to.include({ code: 'KW_ERR_FILE_NOT_FOUND' });
  });

  it('stops at the signal', async () => {
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    expect(await rejection(artifact.streamOut('.', { signal }))).to.equal(reason);
    expect(await rejection(artifact.readFile('a.txt', { signal }))).to.equal(reason);
  });

  it('has the same handle for the same files in any order, and another one for others', () => {
    const files = fc.dictionary(fc.stringMatching(/^[a-z]{1,3}$/), fc.string(), { maxKeys: 4 });
    fc.assert(
      fc.property(files, files, (some, others) => {
        const reversed = Object.fromEntries(Object.entries(some).reverse());
        expect(artifactOfFiles(reversed).handle).to.equal(artifactOfFiles(some).handle);
        const areEqual =
          JSON.stringify(Object.entries(some).toSorted()) === JSON.stringify(Object.entries(others).toSorted());
        expect(artifactOfFiles(some).handle === artifactOfFiles(others).handle).to.equal(areEqual);
      }),
    );
    expect(artifactOfFiles({ a: { content: '', mode: 0o600 } }).handle).to.not.equal(artifactOfFiles({ a: '' }).handle);
  });

  it('has the handle that the caller passes', () => {
    expect(artifactOfFiles({ a: '' }, { handle: 'mine' })).to.have.property('handle', 'mine');
    expect(() => artifactOfFiles({}, { handle: '' }))
      .to.throw()
      .that.includes({ field: 'handle' });
  });

  for (const [path, file, field] of [
    ['', '', 'files[""]'],
    ['/a', '', 'files["/a"]'],
    ['../a', '', 'files["../a"]'],
    ['..', '', 'files[".."]'],
    ['.', '', 'files["."]'],
    ['a/', '', 'files["a/"]'],
    ['a//b', '', 'files["a//b"]'],
    ['a/../b', '', 'files["a/../b"]'],
    ['a\0b', '', 'files["a\\u0000b"]'],
    ['a', { content: 'secret', mode: 0o1777 }, 'files["a"].mode'],
    ['a', { content: 7 as unknown as string }, 'files["a"].content'],
  ] as const)
    it(`rejects ${field}`, () => {
      expect(() => artifactOfFiles({ [path]: file }))
        .to.throw()
        .that.includes({ code: 'KW_ERR_INVALID_SPEC', field });
    });

  it('rejects a file that is the folder of another one', () => {
    expect(() => artifactOfFiles({ 'a/b': '', a: '' }))
      .to.throw()
      .that.includes({ code: 'KW_ERR_INVALID_SPEC', field: 'files["a"]' });
  });
});
