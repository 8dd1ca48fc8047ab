import { subscribe, unsubscribe } from 'node:diagnostics_channel';

import { expect } from 'chai';

import { makeContainer, sh } from '../../contract/worker/setup.ts';
import { type EmbeddedWorker, embeddedWorker } from '../../support/embedded-worker.ts';

const image = 'busybox:1';

/** Records the requests of this process to API servers, as `METHOD path`, without names. */
class RequestRecorder implements Disposable {
  readonly requests: string[] = [];

  constructor() {
    subscribe('undici:request:create', this.#onCall);
    subscribe('http.client.request.start', this.#onUpgrade);
  }

  [Symbol.dispose](): void {
    unsubscribe('undici:request:create', this.#onCall);
    unsubscribe('http.client.request.start', this.#onUpgrade);
  }

  readonly #onCall = (message: unknown): void => {
    const { request } = message as { request: { method: string; path: string } };
    this.#record(request);
  };

  readonly #onUpgrade = (message: unknown): void => {
    const { request } = message as { request: { method: string; path: string } };
    this.#record(request);
  };

  #record({ method, path }: { readonly method: string; readonly path: string }): void {
    const [route = '', query = ''] = path.split('?');
    const resource = /namespaces\/[^/]+\/(pods|configmaps)(\/[^/]+)?(\/exec)?$/.exec(route);
    const words =
      resource === null ? route : `${resource[1]}${resource[2] === undefined ? '' : '/NAME'}${resource[3] ?? ''}`;
    this.requests.push(`${method} ${words}${query.includes('watch=true') ? ' watch' : ''}`);
  }
}

describe('the requests of a worker to the API server', function () {
  this.timeout(60_000);
  let world: EmbeddedWorker;

  before(async () => {
    world = await embeddedWorker(image);
  });

  after(async () => {
    await world.close();
  });

  const step = async (): Promise<void> => {
    const { worker } = world;
    const { container, owner } = await makeContainer(worker, image, { outputs: { o: 'o' } });
    await sh(container, 'true');
    await worker.ownerFinished(owner);
    await worker.reap();
  };

  it('are the budget of docs/performance.md for a further step', async () => {
    await step();
    using recorder = new RequestRecorder();
    await step();
    const count = (...words: readonly string[]): number =>
      recorder.requests.filter((request) => words.includes(request)).length;
    expect(count('POST pods'), 'creations').to.equal(1);
    expect(count('DELETE pods/NAME'), 'deletions').to.equal(1);
    expect(count('GET pods/NAME'), 'reads of the pod').to.be.at.most(3);
    const execs = count('POST pods/NAME/exec', 'GET pods/NAME/exec');
    expect(execs, 'execs').to.be.within(1, 15);
    expect(recorder.requests.length, recorder.requests.join()).to.equal(2 + count('GET pods/NAME') + execs);
  });
});
