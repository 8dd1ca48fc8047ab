import { expect } from 'chai';
import fc from 'fast-check';

import { InvalidSpecError } from '../../../../src/errors/caller.ts';
import { uploadArchive } from '../../../../src/stores/s3/multipart-pump.ts';
import { PartBuffers } from '../../../../src/stores/s3/part-buffers.ts';
import type { UploadCalls, UploadedPart } from '../../../../src/stores/s3/s3-calls.ts';
import { rejection } from '../../../support/rejection.ts';
import { inChunks, seededBytes, sha256 } from '../../../support/stores/archive-bytes.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';

const partBytes = 100;

/** A server in memory. A test replaces what a call waits for. */
class ScriptedServer implements UploadCalls {
  readonly objects = new Map<string, Buffer>();
  readonly uploads = new Map<string, Map<number, Buffer>>();
  readonly calls: string[] = [];
  underWay = 0;
  most = 0;
  /** Called before a call has an effect, with its name and its signal. */
  before: (call: string, signal: AbortSignal | undefined) => void | Promise<void> = () => {};

  async putObject(key: string, bytes: Uint8Array, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    await this.#call('put', signal);
    this.objects.set(key, Buffer.from(bytes));
  }

  async createMultipartUpload(_key: string, { signal }: { signal?: AbortSignal } = {}): Promise<string> {
    await this.#call('create', signal);
    this.uploads.set('upload', new Map());
    return 'upload';
  }

  async uploadPart(
    _key: string,
    uploadId: string,
    number: number,
    bytes: Uint8Array,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<UploadedPart> {
    this.underWay += 1;
    this.most = Math.max(this.most, this.underWay);
    try {
      await this.#call(`part ${number}`, signal);
      this.uploads.get(uploadId)!.set(number, Buffer.from(bytes));
      return { number, etag: sha256(bytes), checksum: undefined };
    } finally {
      this.underWay -= 1;
    }
  }

  async completeMultipartUpload(
    key: string,
    uploadId: string,
    parts: readonly UploadedPart[],
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<void> {
    await this.#call('complete', signal);
    const stored = this.uploads.get(uploadId)!;
    expect(parts.map(({ number }) => number)).to.deep.equal(parts.map((_, index) => index + 1));
    for (const { number, etag } of parts) expect(sha256(stored.get(number)!)).to.equal(etag);
    for (const { number } of parts.slice(0, -1)) expect(stored.get(number)).to.have.lengthOf(partBytes);
    this.objects.set(key, Buffer.concat(parts.map(({ number }) => stored.get(number)!)));
    this.uploads.delete(uploadId);
  }

  async abortMultipartUpload(_key: string, uploadId: string, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    await this.#call('abort', signal);
    this.uploads.delete(uploadId);
  }

  async #call(name: string, signal: AbortSignal | undefined): Promise<void> {
    this.calls.push(name);
    await this.before(name, signal);
    signal?.throwIfAborted();
  }
}

interface Setup {
  readonly server?: ScriptedServer;
  readonly buffers?: PartBuffers;
  readonly concurrency?: number;
  readonly signal?: AbortSignal;
}

describe('the upload of an archive to S3', () => {
  const warnings: string[] = [];
  const clock = new VirtualClock();
  const logger = { debug() {}, info() {}, error() {}, warn: (message: string) => void warnings.push(message) };
  const upload = async (source: AsyncIterable<Uint8Array>, setup: Setup = {}) => {
    const { server = new ScriptedServer(), buffers = new PartBuffers(), concurrency = 2, signal } = setup;
    return await uploadArchive('key', source, {
      calls: server,
      buffers,
      partBytes,
      concurrency,
      clock,
      logger,
      signal,
    });
  };
  /** Yields the bytes in chunks of this size, and records how many it has yielded. */
  const counted = (bytes: Buffer, chunkBytes: number) => {
    const record = { yielded: 0, hasEnded: false };
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        for (let at = 0; at < bytes.length; at += chunkBytes) {
          record.yielded = Math.min(at + chunkBytes, bytes.length);
          yield bytes.subarray(at, at + chunkBytes);
        }
      } finally {
        record.hasEnded = true;
      }
    }
    return { record, source: source() };
  };

  beforeEach(() => {
    warnings.length = 0;
  });

  it('stores the bytes of any source in parts of one size', async () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 250 }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 1, max: 4 }), async (lengths, concurrency) => {
        const [server, buffers] = [new ScriptedServer(), new PartBuffers()];
        const chunks = lengths.map((length, index) => seededBytes(length, index));
        async function* source(): AsyncGenerator<Uint8Array> {
          yield* chunks;
        }
        const bytes = Buffer.concat(chunks);
        const written = await upload(source(), { server, buffers, concurrency });
        expect(written).to.deep.equal({ storedBytes: bytes.length, storedDigest: sha256(bytes) });
        expect(server.objects.get('key')!.equals(bytes)).to.equal(true);
        expect(server.most).to.be.at.most(concurrency);
        expect(buffers.held).to.equal(0);
      }),
    );
  });

  it('needs a positive number of buffers', () => {
    for (const count of [0, -1, 1.5, Number.NaN])
      expect(() => new PartBuffers(count)).to.throw(InvalidSpecError, 'stores.partBuffers');
  });

  it('sends less than one part as a plain object', async () => {
    const server = new ScriptedServer();
    await upload(inChunks(seededBytes(partBytes - 1)), { server });
    expect(server.calls).to.deep.equal(['put']);
  });

  it('sends a part as soon as it is full', async () => {
    const server = new ScriptedServer();
    async function* source(): AsyncGenerator<Uint8Array> {
      yield seededBytes(partBytes);
      await settle();
      expect(server.calls).to.deep.equal(['create', 'part 1']);
    }
    await upload(source(), { server });
    expect(server.calls).to.deep.equal(['create', 'part 1', 'complete']);
  });

  it('does not read the source while no buffer is free', async () => {
    const [server, buffers] = [new ScriptedServer(), new PartBuffers(2)];
    const { promise: answer, resolve } = Promise.withResolvers<void>();
    server.before = (call) => (call.startsWith('part') ? answer : undefined);
    const { source, record } = counted(seededBytes(10 * partBytes), 10);
    const writing = upload(source, { server, buffers });
    await settle();
    await settle();
    expect(record.yielded).to.equal(2 * partBytes);
    expect(buffers.held).to.equal(2);
    resolve();
    await writing;
    expect(record.yielded).to.equal(10 * partBytes);
    expect(buffers.held).to.equal(0);
  });

  it('holds at most one buffer more than parts are under way', async () => {
    const [server, buffers] = [new ScriptedServer(), new PartBuffers(8)];
    const { promise: answer, resolve } = Promise.withResolvers<void>();
    server.before = (call) => (call.startsWith('part') ? answer : undefined);
    const { source, record } = counted(seededBytes(10 * partBytes), 10);
    const writing = upload(source, { server, buffers, concurrency: 2 });
    await settle();
    await settle();
    expect(record.yielded).to.equal(3 * partBytes);
    expect(buffers.held).to.equal(3);
    resolve();
    await writing;
  });

  it('lets uploads that share few buffers all come to their end', async () => {
    const [server, buffers] = [new ScriptedServer(), new PartBuffers(2)];
    server.before = () => settle();
    const uploads = Array.from({ length: 6 }, () => upload(inChunks(seededBytes(3 * partBytes)), { buffers }));
    for (const { storedBytes } of await Promise.all(uploads)) expect(storedBytes).to.equal(3 * partBytes);
  });

  for (const call of ['put', 'create', 'part 1', 'part 3', 'complete'])
    it(`rejects with the error of "${call}", ends the source, and leaves no upload and no buffer`, async () => {
      const [server, buffers, failure] = [new ScriptedServer(), new PartBuffers(), new Error(call)];
      server.before = (name) => {
        if (name === call) throw failure;
      };
      const { source, record } = counted(seededBytes(call === 'put' ? 10 : 5 * partBytes), 30);
      expect(await rejection(upload(source, { server, buffers }))).to.equal(failure);
      expect(record.hasEnded).to.equal(true);
      expect(buffers.held).to.equal(0);
      expect(server.uploads.size).to.equal(0);
      expect(server.objects.size).to.equal(0);
    });

  it('rejects with the failure of a part while the source gives nothing', async () => {
    const [server, failure] = [new ScriptedServer(), new Error('part')];
    server.before = (name) => {
      if (name === 'part 1') throw failure;
    };
    async function* source(): AsyncGenerator<Uint8Array> {
      yield seededBytes(partBytes);
      await new Promise(() => undefined);
    }
    expect(await rejection(upload(source(), { server }))).to.equal(failure);
  });

  it('aborts the requests that are under way, and the upload only after they have ended', async () => {
    const [server, buffers, abort, reason] = [
      new ScriptedServer(),
      new PartBuffers(),
      new AbortController(),
      new Error('enough'),
    ];
    let ended = 0;
    server.before = async (name, signal) => {
      if (name === 'abort') expect(ended).to.equal(2);
      if (!name.startsWith('part')) return;
      await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()));
      await settle();
      ended += 1;
    };
    const writing = rejection(upload(inChunks(seededBytes(10 * partBytes)), { server, buffers, signal: abort.signal }));
    await settle();
    abort.abort(reason);
    expect(await writing).to.equal(reason);
    expect(server.calls.at(-1)).to.equal('abort');
    expect(server.uploads.size).to.equal(0);
    expect(buffers.held).to.equal(0);
  });

  it('logs that an upload could not be aborted, and rejects with the first error', async () => {
    const [server, failure] = [new ScriptedServer(), new Error('part')];
    server.before = (name) => {
      if (name === 'part 2') throw failure;
      if (name === 'abort') throw new Error('abort');
    };
    expect(await rejection(upload(inChunks(seededBytes(5 * partBytes)), { server }))).to.equal(failure);
    expect(warnings).to.deep.equal(['a failed upload of an archive could not be aborted']);
  });

  it('waits ten seconds at most for the end of a failed upload', async () => {
    const [server, failure] = [new ScriptedServer(), new Error('part')];
    server.before = async (name) => {
      if (name === 'part 2') throw failure;
      if (name === 'abort') await new Promise(() => undefined);
    };
    const writing = rejection(upload(inChunks(seededBytes(5 * partBytes)), { server }));
    await clock.advance(10_000);
    expect(await writing).to.equal(failure);
  });

  it('rejects an archive with more parts than an object may have', async () => {
    const server = new ScriptedServer();
    async function* source(): AsyncGenerator<Uint8Array> {
      const part = seededBytes(10 * partBytes);
      for (;;) yield part;
    }
    expect(await rejection(upload(source(), { server }))).to.include({
      code: 'KW_ERR_ARTIFACT_TOO_LARGE',
      limitBytes: 10_000 * partBytes,
    });
    expect(server.uploads.size).to.equal(0);
  });
});
