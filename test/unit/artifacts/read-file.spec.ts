import { getEventListeners } from 'node:events';
import { PassThrough, Readable } from 'node:stream';

import { expect } from 'chai';

import { readFileFrom } from '../../../src/artifacts/read-file.ts';
import {
  ArtifactTooLargeError,
  CorruptArchiveError,
  FileNotFoundError,
  PathConflictError,
} from '../../../src/errors/transfer.ts';
import { rejection } from '../../support/rejection.ts';
import { tarOf } from '../../support/tar.ts';

const facts = { handle: 'v', direction: 'out', path: 'a' } as const;

describe('readFileFrom', () => {
  const content = Buffer.alloc(100_000, 'text ');

  it('returns the content, of any size up to the limit', async () => {
    for (const bytes of [content, Buffer.alloc(0)]) {
      const archive = Readable.from([await tarOf({ a: bytes })]);
      expect(Buffer.from(await readFileFrom(archive, { limitBytes: bytes.length, facts })).equals(bytes)).to.equal(
        true,
      );
      expect(archive.readableEnded).to.equal(true);
    }
  });

  it('returns the content with chunks of any size', async () => {
    const tar = await tarOf({ a: content });
    const archive = Readable.from(
      (function* () {
        for (let at = 0; at < tar.length; at += 777) yield tar.subarray(at, at + 777);
      })(),
    );
    expect(Buffer.from(await readFileFrom(archive, { limitBytes: 1 << 20, facts })).equals(content)).to.equal(true);
  });

  it('rejects a larger file before it has read it, and destroys the archive', async () => {
    const archive = new PassThrough();
    archive.write((await tarOf({ a: content })).subarray(0, 2048));
    expect(await rejection(readFileFrom(archive, { limitBytes: content.length - 1, facts }))).to.be.instanceOf(
      ArtifactTooLargeError,
    );
    expect(archive.destroyed).to.equal(true);
  });

  it('rejects an entry that is not a file', async () => {
    expect(
      await rejection(readFileFrom(Readable.from([await tarOf({ a: null })]), { limitBytes: 1, facts })),
    ).to.be.instanceOf(PathConflictError);
    const link = await tarOf({ a: { type: 'symlink', linkname: 'b' } });
    expect(await rejection(readFileFrom(Readable.from([link]), { limitBytes: 1, facts }))).to.be.instanceOf(
      PathConflictError,
    );
  });

  it('rejects an empty archive, and data that is not an archive', async () => {
    expect(await rejection(readFileFrom(Readable.from([await tarOf({})]), { limitBytes: 1, facts }))).to.be.instanceOf(
      FileNotFoundError,
    );
    expect(
      await rejection(readFileFrom(Readable.from([Buffer.alloc(4096, 'x')]), { limitBytes: 1, facts })),
    ).to.be.instanceOf(CorruptArchiveError);
    const short = (await tarOf({ a: content })).subarray(0, 3000);
    expect(await rejection(readFileFrom(Readable.from([short]), { limitBytes: 1 << 20, facts }))).to.be.instanceOf(
      CorruptArchiveError,
    );
  });

  it('rejects if the archive fails after the file, because its bytes are not verified', async () => {
    const archive = new PassThrough();
    const reading = rejection(readFileFrom(archive, { limitBytes: 1 << 20, facts }));
    archive.write(await tarOf({ a: content }));
    const failure = new Error('digest mismatch');
    setImmediate(() => archive.destroy(failure));
    expect(await reading).to.equal(failure);
  });

  it('rejects with the reason of the signal, and releases the signal', async () => {
    const archive = new PassThrough();
    const stop = new AbortController();
    const reading = rejection(readFileFrom(archive, { limitBytes: 1, facts, signal: stop.signal }));
    const reason = new Error('stopped');
    stop.abort(reason);
    expect(await reading).to.equal(reason);
    expect(archive.destroyed).to.equal(true);
    expect(getEventListeners(stop.signal, 'abort')).to.deep.equal([]);
  });
});
