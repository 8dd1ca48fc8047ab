import { once } from 'node:events';
import { Readable } from 'node:stream';

import { expect } from 'chai';
import fc from 'fast-check';

import { ArchiveMissingError, StoreUnavailableError } from '../../../../src/errors/store.ts';
import { resumedRead } from '../../../../src/stores/s3/resumed-read.ts';
import type { GetOptions, OpenedObject } from '../../../../src/stores/s3/s3-calls.ts';
import { rejection } from '../../../support/rejection.ts';
import { contentOf, seededBytes } from '../../../support/stores/archive-bytes.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';

const bytes = seededBytes(1000);

/** A server of one object whose bodies break off after some bytes each. */
class ScriptedObject {
  readonly requests: GetOptions[] = [];
  readonly bodies: Readable[] = [];
  content = bytes;
  /** Whether the server sends the whole object for a range. */
  hasRanges = true;
  readonly #cuts: (number | 'silent' | Error)[];

  constructor(...cuts: (number | 'silent' | Error)[]) {
    this.#cuts = cuts;
  }

  async getObject(_key: string, options: GetOptions): Promise<OpenedObject | undefined> {
    this.requests.push(options);
    const cut = this.#cuts.shift();
    if (cut instanceof Error) throw cut;
    const start = this.hasRanges ? options.offset : 0;
    const body = this.#body(this.content.subarray(start), cut);
    this.bodies.push(body);
    return { body, etag: '"1"', start, totalBytes: this.content.length };
  }

  #body(rest: Buffer, cut: number | 'silent' | undefined): Readable {
    async function* chunks(): AsyncGenerator<Buffer> {
      const end = typeof cut === 'number' ? cut : rest.length;
      for (let at = 0; at < Math.min(end, rest.length); at += 90) yield rest.subarray(at, Math.min(at + 90, end));
      if (end < rest.length) throw new Error('aborted');
    }
    if (cut === 'silent') return new Readable({ read() {} });
    return Readable.from(chunks(), { objectMode: false, highWaterMark: 90 });
  }
}

describe('the read of an archive from S3', () => {
  const clock = new VirtualClock();
  const read = async (server: ScriptedObject, offset = 0, signal?: AbortSignal): Promise<Readable> => {
    const first = await server.getObject('key', { offset });
    const options = { calls: server, store: 's3', key: 'key', offset, clock, silenceMs: 8_000, signal };
    return resumedRead(first!, options);
  };
  /** Advances the time until the work has ended. */
  const inTime = async <T>(work: Promise<T>): Promise<T> => {
    let isPending = true;
    void work.then(
      () => (isPending = false),
      () => (isPending = false),
    );
    for (let step = 0; isPending && step < 500; step += 1) await clock.advance(1_000);
    return await work;
  };
  const expectReleased = (server: ScriptedObject) => {
    for (const body of server.bodies) expect(body.destroyed).to.equal(true);
    expect(clock.sleeping).to.equal(0);
  };

  it('returns exactly the bytes after any cuts, with and without ranges', async () => {
    const cuts = fc.array(fc.integer({ min: 0, max: 1000 }), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(cuts, fc.integer({ min: 0, max: 999 }), fc.boolean(), async (lengths, offset, hasRanges) => {
        const server = new ScriptedObject(...lengths);
        server.hasRanges = hasRanges;
        const content = await inTime(read(server, offset).then(contentOf));
        expect(content.equals(bytes.subarray(offset))).to.equal(true);
        expectReleased(server);
      }),
      { numRuns: 50 },
    );
  });

  it('continues after the last byte that arrived, with the same version of the object', async () => {
    const server = new ScriptedObject(300);
    await inTime(read(server).then(contentOf));
    // The body's last chunk before the cut is lost with its buffer.
    expect(server.requests[1]).to.include({ offset: 270, etag: '"1"' });
  });

  it('treats a body that ends early like one that was cut', async () => {
    const server = new ScriptedObject();
    const first = await server.getObject('key', { offset: 0 });
    first!.body.destroy();
    const short = { ...first!, body: Readable.from([bytes.subarray(0, 10)]) };
    const options = { calls: server, store: 's3', key: 'key', offset: 0, clock, silenceMs: 8_000, signal: undefined };
    expect((await inTime(contentOf(resumedRead(short, options)))).equals(bytes)).to.equal(true);
  });

  it('destroys a body that is silent, and continues', async () => {
    const server = new ScriptedObject('silent');
    expect((await inTime(read(server).then(contentOf))).equals(bytes)).to.equal(true);
    expectReleased(server);
  });

  it('does not count the time of a slow reader as silence', async () => {
    const server = new ScriptedObject();
    const stream = await read(server);
    let length = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      length += chunk.length;
      await clock.advance(60_000);
    }
    expect(length).to.equal(1000);
    expect(server.requests).to.have.lengthOf(1);
  });

  it('rejects with StoreUnavailableError after a minute without a byte', async () => {
    const server = new ScriptedObject(100, ...Array.from({ length: 200 }, () => 0));
    const failure = await rejection(inTime(read(server).then(contentOf)));
    expect(failure).to.be.instanceOf(StoreUnavailableError);
    expect(failure.message).to.include('byte 100');
    expectReleased(server);
  });

  it('rejects at once with an error that no repetition changes', async () => {
    const missing = new ArchiveMissingError({ store: 's3', key: 'key' });
    const server = new ScriptedObject(100, missing);
    expect(await rejection(inTime(read(server).then(contentOf)))).to.equal(missing);
  });

  it('rejects with ArchiveDamagedError if the object has another size after a cut', async () => {
    const server = new ScriptedObject(100);
    const stream = await read(server);
    server.content = seededBytes(1001);
    expect(await rejection(inTime(contentOf(stream)))).to.have.property('code', 'KW_ERR_ARCHIVE_DAMAGED');
    expectReleased(server);
  });

  it('releases the body when it is destroyed, read or not, and while the body is silent', async () => {
    for (const [cut, isRead] of [
      ['silent', false],
      ['silent', true],
      [1000, true],
    ] as const) {
      const server = new ScriptedObject(cut);
      const stream = await read(server);
      if (isRead) stream.read(0);
      await settle();
      stream.destroy();
      await once(stream, 'close');
      expectReleased(server);
    }
  });

  it('is destroyed with the reason of its signal, also during a wait', async () => {
    for (const cut of ['silent', 100, 1000] as const) {
      const [abort, reason] = [new AbortController(), new Error('enough')];
      const server = new ScriptedObject(cut);
      const reading = rejection(contentOf(await read(server, 0, abort.signal)));
      abort.abort(reason);
      expect(await reading).to.equal(reason);
      await settle();
      expectReleased(server);
    }
  });
});
