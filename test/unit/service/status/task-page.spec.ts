import { expect } from 'chai';

import { FakeContainer, FakeWorker } from '../../../../fakes/index.ts';
import type { ContainerInfo } from '../../../../src/index.ts';
import { HttpError } from '../../../../src/service/status/http/http-error.ts';
import { encodeTaskPlace } from '../../../../src/service/status/routes/task-cursor.ts';
import { type TaskPage, taskPage } from '../../../../src/service/status/routes/task-page.ts';
import { rejection } from '../../../support/rejection.ts';

const { signal } = new AbortController();

/** Containers with their processes, which a test changes between pages. */
class Containers {
  readonly worker = new FakeWorker();
  /** The processes of each container, whose cursor is its place in the order of insertion. */
  readonly rows: { readonly place: number; readonly handle: string; readonly processes: readonly string[] }[] = [];
  now = 0;
  #places = 0;

  constructor() {
    this.worker.listContainers.callsFake(async ({ after = '0', limit = 100 } = {}) => {
      const following = this.rows.filter(({ place }) => place > Number(after));
      const page = following.slice(0, limit);
      const next = following.length > page.length ? String(page.at(-1)?.place) : undefined;
      return { containers: page.map(({ handle }) => ({ handle, state: 'created' }) as ContainerInfo), next };
    });
    this.worker.lookupContainer.callsFake(async (handle) => {
      const container = new FakeContainer({ handle });
      const row = this.rows.find((each) => each.handle === handle);
      container.listProcesses.resolves((row?.processes ?? []).map((id) => ({ id, state: 'running' })));
      return container;
    });
  }

  add(handle: string, ...processes: readonly string[]): void {
    this.#places += 1;
    this.rows.push({ place: this.#places, handle, processes });
  }

  remove(handle: string): void {
    this.rows.splice(
      this.rows.findIndex((row) => row.handle === handle),
      1,
    );
  }

  async page(limit: number, after?: string): Promise<TaskPage> {
    return await taskPage(this.worker, { limit, after }, { now: () => this.now, signal });
  }

  /** Returns all tasks, page by page. */
  async all(limit: number, between = (): void => {}): Promise<readonly string[]> {
    const found: string[] = [];
    for (let [after, pages]: [string | undefined, number] = [undefined, 0]; ; pages += 1) {
      expect(pages).to.be.below(100);
      const page = await this.page(limit, after);
      expect(page.tasks.length).to.be.at.most(limit);
      found.push(...namesOf(page));
      if (page.next === undefined) return found;
      after = page.next;
      between();
    }
  }
}

function namesOf({ tasks }: TaskPage): readonly string[] {
  return tasks.map(({ info, process }) => `${info.handle}:${process.id}`);
}

describe('A page of tasks', () => {
  let containers: Containers;

  beforeEach(() => {
    containers = new Containers();
  });

  it('has as many tasks as its limit, and the pages have each task once, whatever the limit', async () => {
    containers.add('a', 'z', 'y', 'x');
    containers.add('b');
    containers.add('c', 'one');
    for (let index = 0; index < 20; index += 1) containers.add(`d${index}`, 'p', 'q');
    const expected = await containers.all(1_000);
    expect(expected.slice(0, 5)).to.deep.equal(['a:x', 'a:y', 'a:z', 'c:one', 'd0:p']);
    expect(expected).to.have.length(44);
    expect(namesOf(await containers.page(5))).to.deep.equal(expected.slice(0, 5));
    for (const limit of [1, 2, 3, 7, 43, 44, 45]) expect(await containers.all(limit)).to.deep.equal(expected);
  });

  it('continues after a container that was deleted between two pages, amid its tasks or before', async () => {
    for (const deleted of ['a', 'b']) {
      const changing = new Containers();
      changing.add('a', 'p', 'q');
      changing.add('b', 'p', 'q', 'r');
      changing.add('c', 'p');
      let pages = 0;
      const found = await changing.all(3, () => {
        pages += 1;
        if (pages === 1) changing.remove(deleted);
      });
      expect(found).to.deep.equal(
        deleted === 'a' ? ['a:p', 'a:q', 'b:p', 'b:q', 'b:r', 'c:p'] : ['a:p', 'a:q', 'b:p', 'c:p'],
      );
    }
  });

  it('asks eight pods at once, and none beyond the tasks that it needs', async () => {
    for (let index = 0; index < 30; index += 1) containers.add(`c${index}`, 'p');
    let [running, most] = [0, 0];
    const lookup = containers.worker.lookupContainer;
    lookup.callsFake(async (handle) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise(setImmediate);
      const container = new FakeContainer({ handle });
      container.listProcesses.callsFake(async () => {
        running -= 1;
        return [{ id: 'p', state: 'running' }];
      });
      return container;
    });
    expect((await containers.page(30)).tasks.map(({ info }) => info.handle)).to.deep.equal(
      containers.rows.map(({ handle }) => handle),
    );
    expect([most, lookup.callCount]).to.deep.equal([8, 30]);
    lookup.resetHistory();
    await containers.page(3);
    expect(lookup.callCount).to.equal(3);
  });

  it('ends after a hundred containers and after four seconds, with a cursor', async () => {
    for (let index = 0; index < 150; index += 1) containers.add(`c${index}`);
    containers.add('last', 'p');
    const first = await containers.page(10);
    expect([first.tasks, containers.worker.lookupContainer.callCount]).to.deep.equal([[], 100]);
    expect(namesOf(await containers.page(10, first.next))).to.deep.equal(['last:p']);
    containers.worker.lookupContainer.resetHistory();
    containers.worker.lookupContainer.callsFake(async () => {
      containers.now += 1_000;
      return undefined;
    });
    const slow = await containers.page(10);
    expect([slow.tasks, slow.next !== undefined, containers.worker.lookupContainer.callCount]).to.deep.equal([
      [],
      true,
      8,
    ]);
  });

  it('refuses a text that is not its cursor', async () => {
    for (const after of ['', 'x', 'e30', Buffer.from('["a","b"]').toString('base64url'), 'WzFd', 'W10'])
      expect(await rejection(containers.page(1, after)), after).to.be.instanceOf(HttpError);
    containers.add('a', 'p');
    expect(namesOf(await containers.page(1, encodeTaskPlace({})))).to.deep.equal(['a:p']);
  });
});
