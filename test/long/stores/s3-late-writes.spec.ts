import { readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';

import { expect } from 'chai';

import { type KubernetesWorker, PartBuffers, type S3StoreOptions } from '../../../src/index.ts';
import { type EmbeddedWorker, embeddedWorker } from '../../support/embedded-worker.ts';
import { rejection } from '../../support/rejection.ts';
import { seededBytes } from '../../support/stores/archive-bytes.ts';
import { type RelayedRequest, S3Relay } from '../../support/stores/s3-relay.ts';
import { hasS3Server, Versitygw } from '../../support/stores/versitygw.ts';
import { readTar, tarOf } from '../../support/tar.ts';

const hourMs = 60 * 60 * 1000;

/** A request that the relay holds back. */
interface Held {
  readonly request: Promise<RelayedRequest>;
  /** Lets it through. Resolves when the server has answered. */
  release(): Promise<void>;
}

describe('a write to S3 that arrives after its end', () => {
  let world: EmbeddedWorker;
  let server: Versitygw;
  let relay: S3Relay;
  let worker: KubernetesWorker;
  let partBuffers: PartBuffers;

  before(async function () {
    if (!(await hasS3Server())) return this.skip();
    world = await embeddedWorker('busybox:1');
  });

  beforeEach(async () => {
    server = await Versitygw.start();
    relay = await S3Relay.start(server.port);
    partBuffers = new PartBuffers();
    worker = await openWorker();
  });

  afterEach(async () => {
    await world?.reapArtifacts(worker);
    await worker?.close();
    await relay?.close();
    await server?.[Symbol.asyncDispose]();
  });

  after(async () => {
    await world?.close();
  });

  const openWorker = async (options: Partial<S3StoreOptions> = {}): Promise<KubernetesWorker> => {
    const s3 = server.options({ partSizeBytes: 5 * 1_048_576, ...options }, relay.port);
    return await world.setup.openWith({ stores: { s3, partBuffers } });
  };

  /** Holds back the first matching request, and all that repeat it. */
  const hold = (matches: (request: RelayedRequest) => boolean): Held => {
    const first = Promise.withResolvers<RelayedRequest>();
    const released = Promise.withResolvers<undefined>();
    let path: string | undefined;
    relay.intercept = async (request) => {
      if (path === undefined && matches(request)) {
        path = request.path;
        first.resolve(request);
      }
      return request.path === path ? await released.promise : undefined;
    };
    return {
      request: first.promise,
      release: async () => {
        released.resolve(undefined);
        while (relay.pending > 0) await delay(5);
      },
    };
  };
  const isPut = ({ method }: RelayedRequest): boolean => method === 'PUT';
  const files = async (): Promise<readonly string[]> => {
    const entries = await readdir(server.objects, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  };
  /** The name of the object in a path of a request. */
  const nameIn = ({ path }: RelayedRequest): string => path.split('?')[0]!.split('/').at(-1)!;
  const upload = async (content: string | Buffer, signal?: AbortSignal) => {
    const { volume } = await worker.createVolumeForArtifact('team');
    const archive = await tarOf({ file: content });
    const uploading = volume.streamIn('.', () => Readable.from([archive]), { signal });
    return { volume, uploading };
  };
  const expectSweptByAge = async (name: string, others: readonly string[]): Promise<void> => {
    expect(await files()).to.have.members([name, ...others]);
    expect((await worker.reap({ sweepStores: true })).deletedKeys).to.equal(0);
    expect(await files()).to.have.members([name, ...others]);
    const path = (await readdir(server.objects, { recursive: true })).find((file) => file.endsWith(name))!;
    const before = (Date.now() - 25 * hourMs) / 1000;
    await utimes(join(server.objects, path), before, before);
    expect((await worker.reap({ sweepStores: true })).deletedKeys).to.equal(1);
    expect(await files()).to.have.members(others);
    expect(relay.requests.filter((request) => request.method === 'GET' && nameIn(request) === name)).to.deep.equal([]);
  };

  it('because of an abort: no archive has its key, and the sweep deletes it after a day', async () => {
    const [held, abort, reason] = [hold(isPut), new AbortController(), new Error('enough')];
    const { uploading } = await upload('late', abort.signal);
    const name = nameIn(await held.request);
    // The buffer is one of those that the worker was given.
    expect(partBuffers.held).to.equal(1);
    abort.abort(reason);
    expect(await rejection(uploading)).to.equal(reason);
    expect(partBuffers.held).to.equal(0);
    const { volume, uploading: second } = await upload('in time');
    await second;
    const [other] = await files();
    // The row of the aborted write goes, with what its key has: nothing yet.
    await worker.reap();
    await held.release();
    await expectSweptByAge(name, [other!]);
    expect(Buffer.from(await volume.readFile('file')).toString()).to.equal('in time');
  });

  it('because the server did not answer: the repetition has another key, whose bytes are the content', async () => {
    // The SDK sends the request four times before the worker repeats the write, which is answered in this time.
    await worker.close();
    worker = await openWorker({ requestTimeoutMs: 5_000 });
    const held = hold(isPut);
    const { volume, uploading } = await upload('content');
    await uploading;
    const name = nameIn(await held.request);
    const [other] = await files();
    expect(other).to.not.equal(name);
    await worker.reap();
    await held.release();
    await expectSweptByAge(name, [other!]);
    const entries = await readTar(await buffer(await volume.streamOut('.')));
    expect(entries.get('file')?.content.toString()).to.equal('content');
  });

  it('in parts: the server refuses its end after the abort, and has nothing', async () => {
    const completes = ({ method, path }: RelayedRequest): boolean => method === 'POST' && path.includes('uploadId=');
    const [held, abort, reason] = [hold(completes), new AbortController(), new Error('enough')];
    const { uploading } = await upload(seededBytes(12 * 1_048_576), abort.signal);
    await held.request;
    abort.abort(reason);
    expect(await rejection(uploading)).to.equal(reason);
    await held.release();
    expect(await files()).to.deep.equal([]);
  });
});
