import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';

import { CreateMultipartUploadCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { expect } from 'chai';

import { systemClock } from '../../../src/internal/system-clock.ts';
import type { Clock } from '../../../src/runtime/options.ts';
import type { S3StoreOptions } from '../../../src/runtime/s3-store-options.ts';
import { PartBuffers } from '../../../src/stores/s3/part-buffers.ts';
import { openS3Store, type S3Store } from '../../../src/stores/s3/s3-store.ts';
import { until } from '../../support/agent/agent-process.ts';
import { rejection } from '../../support/rejection.ts';
import { blackHole, TcpProxy, wireReset } from '../../support/rig/tcp-proxy.ts';
import { allOf, contentOf, inChunks, seededBytes, sha256 } from '../../support/stores/archive-bytes.ts';
import { hasS3Server, type ServerKey, Versitygw } from '../../support/stores/versitygw.ts';
import { Tripwire } from '../../support/tripwire.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const MiB = 1_048_576;
const partBytes = 5 * MiB;

describe('an S3 store and faults', function () {
  this.timeout(300_000);
  const logged: unknown[] = [];
  const log = (...line: unknown[]): void => void logged.push(line);
  const logger = { debug: log, info: log, warn: log, error: log };
  let server: Versitygw;
  let proxy: TcpProxy;
  let tripwire: Tripwire;
  let store: S3Store;
  let keys = 0;
  const newKey = (): string => `faults/00/a-${(keys += 1)}.tar.zst`;
  const open = (
    more: Partial<S3StoreOptions> = {},
    { port = proxy.port, at = server, clock = systemClock() }: { port?: number; at?: Versitygw; clock?: Clock } = {},
  ): S3Store =>
    openS3Store(at.options({ partSizeBytes: partBytes, ...more }, port), {
      clock,
      logger,
      buffers: new PartBuffers(),
    });
  const directly = (): S3Client => {
    const { endpoint, credentials } = server.options() as { endpoint: string; credentials: ServerKey };
    return new S3Client({ region: 'us-east-1', endpoint, credentials, forcePathStyle: true });
  };

  before(async function () {
    if (!(await hasS3Server())) return this.skip();
    server = await Versitygw.start();
  });

  beforeEach(async () => {
    logged.length = 0;
    tripwire = await Tripwire.set();
    proxy = await TcpProxy.start(server.port);
    store = open();
  });

  afterEach(async () => {
    if (tripwire === undefined) return;
    await store.close();
    await proxy.close();
    await tripwire.check();
  });

  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  it('resolves if the answer to a write is lost, and still refuses a second write', async () => {
    const key = newKey();
    proxy.plan({ down: { after: [[0, wireReset]] } });
    await store.write(key, inChunks(seededBytes(100)));
    expect(await contentOf(await store.read(key))).to.have.lengthOf(100);
    expect(await rejection(store.write(key, inChunks(seededBytes(100))))).to.include({
      code: 'KW_ERR_STORE_DENIED',
      key,
    });
  });

  it('resolves if the answers to all tries of a write are lost', async () => {
    const [key, bytes] = [newKey(), seededBytes(3 * MiB)];
    const lostAfter = (count: number) => ({ down: { after: [[count, wireReset]] as const } });
    // Behind "100 Continue". The client tries a request four times.
    proxy.plan(lostAfter(100), lostAfter(0), lostAfter(0), lostAfter(0));
    await store.write(key, inChunks(bytes));
    expect(sha256(await contentOf(await store.read(key)))).to.equal(sha256(bytes));
  });

  it('continues a read whose body is silent', async () => {
    const [key, bytes] = [newKey(), seededBytes(8 * MiB)];
    await store.write(key, inChunks(bytes));
    await store.close();
    const clock = new VirtualClock();
    store = open({}, { clock });
    proxy.plan({ down: { after: [[3 * MiB, blackHole]] } });
    const reading = contentOf(await store.read(key));
    await until('the body is silent', () => proxy.wires.some(({ isStalled }) => isStalled));
    const opened = proxy.wires.length;
    // The time stands still once the read continues over another connection.
    while (proxy.wires.length === opened) {
      await clock.advance(1_000);
      await delay(1);
    }
    expect(sha256(await reading)).to.equal(sha256(bytes));
  });

  it('closes a readable at once when it is destroyed while its body is silent', async () => {
    const key = newKey();
    await store.write(key, inChunks(seededBytes(8 * MiB)));
    await store.close();
    store = open({ requestTimeoutMs: 3_600_000 });
    proxy.plan({ down: { after: [[MiB, blackHole]] } });
    const stream = (await store.read(key)).resume();
    while (!proxy.wires.some(({ isStalled }) => isStalled)) await delay(5);
    stream.destroy();
    await once(stream, 'close');
  });

  it('leaves no connection of reads that end early, and lets others use them', async () => {
    const key = newKey();
    await store.write(key, inChunks(seededBytes(4 * MiB)));
    const early = async (): Promise<void> => {
      for await (const _chunk of (await store.read(key)) as AsyncIterable<Uint8Array>) break;
    };
    // More than the client has connections.
    for (let round = 0; round < 30; round += 1) await Promise.all(Array.from({ length: 10 }, early));
    while (proxy.wires.filter(({ isOpen }) => isOpen).length > 1) await delay(5);
    await store.probe();
  });

  it('rejects with ArchiveMissingError if an object is deleted between two parts of a read', async () => {
    const key = newKey();
    await store.write(key, inChunks(seededBytes(8 * MiB)));
    await store.close();
    store = open();
    proxy.plan({ down: { after: [[MiB, wireReset]] } });
    const stream = await store.read(key);
    const other = open();
    await other.delete(key);
    await other.close();
    expect(await rejection(contentOf(stream))).to.include({ code: 'KW_ERR_ARCHIVE_MISSING', key });
  });

  it('rejects with StoreUnavailableError if no request is answered', async () => {
    await store.close();
    store = open({ requestTimeoutMs: 200 });
    proxy.plan(...Array.from({ length: 20 }, () => ({ down: { after: [[0, blackHole]] as const } })));
    const source = inChunks(seededBytes(1));
    const calls = [store.probe(), store.read('a/b/c'), store.delete('a/b/c'), store.write('a/b/c', source)];
    for (const failure of await Promise.all(calls.map((call) => rejection(call))))
      expect(failure).to.have.property('code', 'KW_ERR_STORE_UNAVAILABLE');
  });

  it('rejects with StoreUnavailableError if nothing listens', async () => {
    const away = open({}, { port: 1 });
    expect(await rejection(away.probe())).to.have.property('code', 'KW_ERR_STORE_UNAVAILABLE');
    await away.close();
  });

  it('continues a read over a restart of the server', async () => {
    await using own = await Versitygw.start();
    const restarted = open({}, { port: own.port, at: own });
    const [key, bytes] = [newKey(), seededBytes(16 * MiB)];
    await restarted.write(key, inChunks(bytes));
    const stream = await restarted.read(key);
    const chunks: Uint8Array[] = [];
    let isRestarted = false;
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      chunks.push(chunk);
      if (!isRestarted) await own.restart();
      isRestarted = true;
    }
    expect(sha256(Buffer.concat(chunks))).to.equal(sha256(bytes));
    await restarted.close();
  });

  it('rejects with ArchiveDamagedError if an object changes between two parts of a read', async () => {
    const [key, client] = [newKey(), directly()];
    await store.write(key, inChunks(seededBytes(8 * MiB)));
    await store.close();
    store = open();
    proxy.plan({ down: { after: [[MiB, wireReset]] } });
    const stream = await store.read(key);
    await client.send(new PutObjectCommand({ Bucket: server.bucket, Key: key, Body: seededBytes(8 * MiB, 2) }));
    client.destroy();
    expect(await rejection(contentOf(stream))).to.have.property('code', 'KW_ERR_ARCHIVE_DAMAGED');
  });

  it('lists and deletes the upload of a host that has died', async () => {
    const [key, client] = [newKey(), directly()];
    await client.send(new CreateMultipartUploadCommand({ Bucket: server.bucket, Key: key }));
    client.destroy();
    expect((await allOf(store.list(key))).map((archive) => archive.key)).to.deep.equal([key]);
    expect(await store.delete(key)).to.equal(true);
    expect(await allOf(store.list(key))).to.deep.equal([]);
    expect(await store.delete(key)).to.equal(false);
  });

  it('proves each right with a key that it deletes', async () => {
    const key = newKey();
    await store.check(key);
    expect(await allOf(store.list(key))).to.deep.equal([]);
  });

  it('sends checksums that the server verifies if it has to', async () => {
    const [checked, key, bytes] = [open({ checksums: true }), newKey(), seededBytes(2 * partBytes + 1)];
    expect((await checked.write(key, inChunks(bytes))).storedDigest).to.equal(sha256(bytes));
    expect(sha256(await contentOf(await checked.read(key)))).to.equal(sha256(bytes));
    await checked.close();
  });

  it('rejects with StoreDeniedError for a bucket that does not exist, which it names', async () => {
    const other = open({ bucket: 'another' });
    const calls = [other.probe(), other.write('a/b/c', inChunks(seededBytes(1)))];
    for (const failure of await Promise.all(calls.map((call) => rejection(call)))) {
      expect(failure).to.have.property('code', 'KW_ERR_STORE_DENIED');
      expect(failure.message).to.include('bucket another does not exist');
    }
    await other.close();
  });

  it('repeats no secret and no signature in errors and logs', async () => {
    const secretAccessKey = 'wJalrXUtnFEMI-the-secret';
    const wrong = [
      { accessKeyId: 'AKIDTEST', secretAccessKey },
      { accessKeyId: 'AKIDOTHER', secretAccessKey },
      { accessKeyId: 'AKIDTEST', secretAccessKey, sessionToken: 'the-session-token' },
    ];
    for (const credentials of wrong) {
      const refused = open({ credentials });
      const failure = await rejection(refused.write('a/b/c', inChunks(seededBytes(1))));
      expect(failure).to.include({ code: 'KW_ERR_STORE_DENIED', key: 'a/b/c', right: 's3:PutObject' });
      const text = inspect([failure, logged], { depth: 20, showHidden: true });
      for (const hidden of [secretAccessKey, 'the-session-token', 'AWS4-HMAC', 'Signature=', 'authorization'])
        expect(text).to.not.include(hidden);
      await refused.close();
    }
  });

  it('asks a provider for other credentials when the server refuses those that it has', async () => {
    const [first, second] = [1, 2].map((number) => ({
      accessKeyId: `AKID${number}`,
      secretAccessKey: `secret-${number}`,
    })) as [ServerKey, ServerKey];
    let [current, calls] = [first, 0];
    await using own = await Versitygw.start({ key: first });
    const credentials = async () => {
      calls += 1;
      return current;
    };
    const rotated = open({ credentials }, { port: own.port, at: own });
    await rotated.probe();
    await rotated.probe();
    expect(calls).to.equal(1);
    await own.restart(second);
    expect(await rejection(rotated.probe())).to.have.property('code', 'KW_ERR_STORE_DENIED');
    current = second;
    await Promise.all([rotated.probe(), rotated.probe(), rotated.probe()]);
    await rotated.close();
  });

  it('asks a provider again after the expiration of its credentials', async () => {
    let calls = 0;
    const { credentials } = server.options() as { credentials: ServerKey };
    const expiring = open({
      credentials: async () => {
        calls += 1;
        return { ...credentials, expiration: new Date(Date.now() + 1_000) };
      },
    });
    await expiring.probe();
    await delay(1_100);
    await expiring.probe();
    expect(calls).to.be.greaterThan(1);
    await expiring.close();
  });
});
