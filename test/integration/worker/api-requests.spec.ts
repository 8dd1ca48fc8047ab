import { expect } from 'chai';

import { type RecordedRequest, RequestRecorder } from '../../../bench/host/request-recorder.ts';
import { makeContainer, sh } from '../../contract/worker/setup.ts';
import { withEmbeddedWorker } from '../../support/embedded-worker.ts';

const image = 'busybox:1';

/** Returns a request as `METHOD path`, without names. */
function withoutNames({ method, path }: RecordedRequest): string {
  const [route = '', query = ''] = path.split('?');
  const [, resource, name, exec = ''] = /namespaces\/[^/]+\/(pods|configmaps)(\/[^/]+)?(\/exec)?$/.exec(route) ?? [];
  const words = resource === undefined ? route : `${resource}${name === undefined ? '' : '/NAME'}${exec}`;
  return `${method} ${words}${query.includes('watch=true') ? ' watch' : ''}`;
}

describe('the requests of a worker to the API server', () => {
  const world = withEmbeddedWorker(image);

  const step = async (): Promise<void> => {
    const { worker } = world;
    const { container, owner } = await makeContainer(worker, image, { outputs: { o: 'o' } });
    await sh(container, 'true');
    await worker.ownerFinished(owner);
    await worker.reap();
  };

  it('are the budget of docs/performance.md for a further step [A51]', async () => {
    await step();
    using recorder = new RequestRecorder();
    await step();
    const requests = recorder.requests.map(withoutNames);
    const count = (...words: readonly string[]): number => requests.filter((request) => words.includes(request)).length;
    expect(count('POST pods'), 'creations').to.equal(1);
    expect(count('DELETE pods/NAME'), 'deletions').to.equal(1);
    expect(count('GET pods/NAME'), 'reads of the pod').to.be.at.most(2);
    expect(count('GET pods'), 'lists of the reaper').to.equal(1);
    expect(count('GET configmaps'), 'lists of the reaper').to.equal(1);
    const execs = count('POST pods/NAME/exec', 'GET pods/NAME/exec');
    expect(execs, 'execs').to.be.within(1, 15);
    expect(requests.length, requests.join()).to.equal(4 + count('GET pods/NAME') + execs);
  });
});
