import { mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { expect } from 'chai';

import { rejection } from '../../support/rejection.ts';
import { TransferRig } from '../../support/rig/transfer-rig.ts';
import { readTarText, tarOf } from '../../support/tar.ts';
import { Tripwire } from '../../support/tripwire.ts';

describe('the path of a transfer in its volume', () => {
  let tripwire: Tripwire;
  let rig: TransferRig;

  before(async () => {
    tripwire = await Tripwire.set();
    rig = await TransferRig.start();
  });

  afterEach(async () => {
    await rig.idle();
    await rig.quiet();
  });

  after(async () => {
    await rig[Symbol.asyncDispose]();
    await tripwire.check();
  });

  for (const [name, path] of [
    ['spaces', ' a  b '],
    ['quotes', `it's "quoted"`],
    ['shell syntax', '$(touch /tmp/kw-injected); `id` && true | cat > x & #'],
    ['a newline', 'a\nb\r\nc'],
    ['a leading dash', '-rf'],
    ['composed letters', '\u00e9'],
    ['decomposed letters', 'e\u0301'],
    ['letters outside the BMP', '\u{1F9EA}\u{1F680}'],
    ['control characters', '\u0001\u001b[31m\u007f'],
    ['a percent sign and an ampersand', '%2e%2e&command=id?x=1'],
    ['many folders', Array.from({ length: 300 }, () => 'folder-name').join('/')],
    ['a name of 255 bytes', 'n'.repeat(255)],
    ['bytes that are not UTF-8', Buffer.from([0x66, 0xff, 0xfe, 0x80, 0x66])],
  ] as const) {
    it(`may contain ${name}, and is used unchanged`, async () => {
      const client = rig.client();
      const volume = `named-${name.replaceAll(/[^a-z]/g, '')}`;
      await client.receive({ volume, path }, Readable.from([await tarOf({ file: 'content' })]));
      const data = Buffer.from(`${rig.path(volume)}/`);
      const bytes = Buffer.from(path);
      expect(await readFile(Buffer.concat([data, bytes, Buffer.from('/file')]), 'utf8')).to.equal('content');
      const [top] = await readdir(rig.path(volume), { encoding: 'buffer' });
      expect(top?.toString('latin1')).to.equal(bytes.toString('latin1').split('/')[0]);
      const { readable } = await client.send({ volume, path });
      expect(await readTarText(await buffer(readable))).to.deep.equal({ file: 'content' });
    });
  }

  context('when it is invalid', () => {
    const fails = async (path: string): Promise<Error & { readonly code?: string }> => {
      const source = Readable.from([await tarOf({ file: 'changed' })]);
      const error = await rejection(rig.client().receive({ volume: 'no', path }, source));
      expect(source.destroyed).to.equal(true);
      return error;
    };

    before(async () => {
      await rig.put('no', { file: 'a file', 'folder/file/inside': 'a folder' });
      await mkdir(join(rig.agent.folder, 'outside'));
      await symlink(join(rig.agent.folder, 'outside'), rig.path('no', 'link'));
    });

    after(async () => {
      expect(await rig.contents('no')).to.deep.equal({ file: 'a file', 'folder/file/inside': 'a folder' });
      expect(await readdir(join(rig.agent.folder, 'outside'))).to.deep.equal([]);
    });

    it('rejects a file at the path, or a folder at the path of a file, as a conflict', async () => {
      expect(await fails('file')).to.include({ code: 'KW_ERR_PATH_CONFLICT', retryable: false });
      expect(await fails('folder')).to.include({
        code: 'KW_ERR_PATH_CONFLICT',
        handle: 'no',
        podName: 'pod',
        direction: 'in',
      });
    });

    it('rejects a path out of the volume or through a link as unsafe, and writes nothing there', async () => {
      for (const path of ['../outside', 'folder/../../x'])
        expect(await fails(path)).to.include({ code: 'KW_ERR_UNSAFE_ARCHIVE_PATH' });
      expect((await fails('link')).code).to.be.oneOf(['KW_ERR_UNSAFE_ARCHIVE_PATH', 'KW_ERR_PATH_CONFLICT']);
      expect(await rejection(rig.client().send({ volume: 'no', path: '../outside' }))).to.include({
        code: 'KW_ERR_UNSAFE_ARCHIVE_PATH',
      });
    });

    it('creates a missing path with its parents for an upload, and rejects it for a download', async () => {
      await rig.client().receive({ volume: 'made', path: 'a/b/c' }, Readable.from([await tarOf({ file: 'content' })]));
      expect(await rig.contents('made')).to.deep.equal({ 'a/b/c/file': 'content' });
      expect(await rejection(rig.client().send({ volume: 'made', path: 'a/x' }))).to.include({
        code: 'KW_ERR_FILE_NOT_FOUND',
        path: 'a/x',
      });
      expect(await rejection(rig.client().send({ volume: 'missing' }))).to.include({ code: 'KW_ERR_VOLUME_NOT_FOUND' });
    });
  });

  it('rejects an archive beyond its limit, and ends its source early', async () => {
    await rig.put('limited', { file: 'a file' });
    let yieldedBytes = 0;
    const archive = await tarOf({ file: 'changed', zeros: Buffer.alloc(40_000_000) });
    const source = (async function* () {
      for (; yieldedBytes < archive.length; yieldedBytes += 65_536)
        yield archive.subarray(yieldedBytes, yieldedBytes + 65_536);
    })();
    const error = await rejection(rig.client().receive({ volume: 'limited', expandedLimitBytes: 1_000_000 }, source));
    expect(error).to.include({ code: 'KW_ERR_ARTIFACT_TOO_LARGE', limitBytes: 1_000_000, retryable: false });
    expect(yieldedBytes).to.be.below(12_000_000);
    expect(await rig.contents('limited')).to.deep.equal({ file: 'a file' });
  });
});
