import { expect } from 'chai';

import { FakeContainerQueries } from '../../../../fakes/index.ts';
import type { AgentProcessStatus, AgentStatus } from '../../../../src/agent-client/agent-status.ts';
import { ApiUnavailableError } from '../../../../src/errors/cluster.ts';
import type { ContainerInfo, ContainerState, ProcessPage, ProcessQuery } from '../../../../src/index.ts';
import { encodeProcessPlace } from '../../../../src/worker/process/process-cursor.ts';
import { type ProcessPageComponents, processPage } from '../../../../src/worker/process/process-page.ts';
import { rejection } from '../../../support/rejection.ts';
import { settle, VirtualClock } from '../../../support/virtual-clock.ts';

interface Row {
  /** The place in the order of insertion, which is the cursor after the container. */
  readonly place: number;
  readonly handle: string;
  readonly state: ContainerState;
  /** The processes that the agent reports. */
  readonly running: readonly string[];
  /** The processes with a stored result. */
  readonly stored: readonly string[];
}

const created = new Date(0);

/** Containers with their processes, which a test changes between pages. */
class Containers {
  readonly queries = new FakeContainerQueries();
  readonly clock = new VirtualClock();
  readonly rows: Row[] = [];
  /** The handles of the containers whose pods were asked. */
  readonly asked: string[] = [];
  /** What an agent does before it answers. */
  answering: (handle: string) => Promise<void> = async () => {};
  #places = 0;

  constructor() {
    this.queries.list.callsFake(async (_workerName, { handle, after = '0', limit = 100 }) => {
      const following = this.rows.filter((row) => row.place > Number(after) && row.handle === (handle ?? row.handle));
      const page = following.slice(0, limit);
      const cursors = page.map(({ place }) => String(place));
      const next = following.length > page.length ? { next: String(page.at(-1)?.place) } : {};
      return { containers: page.map(infoOf), cursors, ...next };
    });
    this.queries.processResultsOf.callsFake(async (handles) =>
      this.rows
        .filter(({ handle }) => handles.includes(handle))
        .flatMap(({ handle, stored }) =>
          stored.map((processId) => {
            const result = { exitStatus: 0, signal: undefined, oomKills: undefined };
            return { handle, processId, result };
          }),
        ),
    );
  }

  add(
    handle: string,
    running: readonly string[] = [],
    { stored = [], state = 'created' }: Partial<Pick<Row, 'stored' | 'state'>> = {},
  ): void {
    this.#places += 1;
    this.rows.push({ place: this.#places, handle, state, running, stored });
  }

  remove(handle: string): void {
    this.rows.splice(
      this.rows.findIndex((row) => row.handle === handle),
      1,
    );
  }

  async page(query: ProcessQuery = {}, signal?: AbortSignal): Promise<ProcessPage> {
    const components: ProcessPageComponents = {
      queries: this.queries,
      agents: { client: (podName) => ({ status: async () => await this.#status(podName) }) },
      pods: { exists: async (podName) => podName !== 'gone', persist: async (_podName, work) => await work() },
      clock: this.clock,
    };
    return await processPage('worker', query, components, { signal });
  }

  /** Returns all processes, page by page. */
  async all(limit: number, between = (): void => {}): Promise<readonly string[]> {
    const found: string[] = [];
    for (let [after, pages]: [string | undefined, number] = [undefined, 0]; ; pages += 1) {
      expect(pages).to.be.below(100);
      const page = await this.page({ limit, after });
      expect(page.processes.length).to.be.at.most(limit);
      found.push(...namesOf(page));
      if (page.next === undefined) return found;
      after = page.next;
      between();
    }
  }

  async #status(handle: string): Promise<AgentStatus> {
    this.asked.push(handle);
    await this.answering(handle);
    const row = this.rows.find((each) => each.handle === handle);
    const processes = (row?.running ?? []).map((id) => ({ id, state: 'running' }) as AgentProcessStatus);
    return { processes } as unknown as AgentStatus;
  }
}

function infoOf({ handle, state }: Row): ContainerInfo {
  const owner = { kind: 'build-step', key: handle };
  return { handle, state, owner, podName: handle, podUid: 'uid', metadata: {}, createdAt: created };
}

function namesOf({ processes }: ProcessPage): readonly string[] {
  return processes.map(({ container, process }) => `${container.handle}:${process.id}`);
}

describe('A page of processes', () => {
  let containers: Containers;

  beforeEach(() => {
    containers = new Containers();
  });

  it('has as many processes as its limit, and the pages have each one once, whatever the limit', async () => {
    containers.add('a', ['z', 'y'], { stored: ['x'] });
    containers.add('b');
    containers.add('c', ['one'], { stored: ['one'] });
    containers.add('failed', ['p'], { stored: ['p'], state: 'failed' });
    containers.add('gone', ['p'], { stored: ['q'], state: 'kept' });
    for (let index = 0; index < 20; index += 1) containers.add(`d${index}`, ['p'], { stored: ['q'] });
    const expected = await containers.all(1_000);
    expect(expected.slice(0, 6)).to.deep.equal(['a:x', 'a:y', 'a:z', 'c:one', 'gone:q', 'd0:p']);
    expect(expected).to.have.length(45);
    expect(namesOf(await containers.page({ limit: 6 }))).to.deep.equal(expected.slice(0, 6));
    for (const limit of [1, 2, 3, 4, 5, 7, 44, 45, 46]) expect(await containers.all(limit)).to.deep.equal(expected);
    expect(namesOf(await containers.page({ containerHandle: 'd7' }))).to.deep.equal(['d7:p', 'd7:q']);
  });

  it('is two statements, however many containers and processes it has', async () => {
    for (let index = 0; index < 100; index += 1) containers.add(`c${index}`, ['p'], { stored: ['q'] });
    const { queries } = containers;
    for (const limit of [1, 30, 1_000]) {
      queries.list.resetHistory();
      queries.processResultsOf.resetHistory();
      const { processes } = await containers.page({ limit });
      expect(processes).to.have.length(Math.min(limit, 200));
      expect([queries.list.callCount, queries.processResultsOf.callCount], `limit ${limit}`).to.deep.equal([1, 1]);
    }
  });

  it('has the stored result of a process that ends after its agent was asked', async () => {
    containers.add('a', ['p']);
    containers.answering = async () => {
      containers.remove('a');
      containers.add('a', ['p'], { stored: ['p'] });
    };
    const { processes } = await containers.page();
    expect(processes.map(({ process }) => process)).to.deep.equal([
      { id: 'p', state: 'ended', result: { exitStatus: 0 } },
    ]);
  });

  it('continues after a container that was deleted between two pages, amid its processes or before', async () => {
    for (const deleted of ['a', 'b']) {
      const changing = new Containers();
      changing.add('a', ['p', 'q']);
      changing.add('b', ['p', 'q', 'r']);
      changing.add('c', ['p']);
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

  it('asks eight pods at once, and none beyond the processes that it needs', async () => {
    for (let index = 0; index < 30; index += 1) containers.add(`c${index}`, ['p']);
    let [asking, most] = [0, 0];
    containers.answering = async () => {
      asking += 1;
      most = Math.max(most, asking);
      await new Promise(setImmediate);
      asking -= 1;
    };
    const handles = containers.rows.map(({ handle }) => handle);
    const { processes } = await containers.page({ limit: 30 });
    expect(processes.map(({ container }) => container.handle)).to.deep.equal(handles);
    expect([most, containers.asked]).to.deep.equal([8, handles]);
    containers.asked.length = 0;
    await containers.page({ limit: 3 });
    expect(containers.asked).to.have.length(3);
  });

  it('ends after a hundred containers and after four seconds, with a cursor', async () => {
    for (let index = 0; index < 150; index += 1) containers.add(`c${index}`);
    containers.add('last', ['p']);
    const first = await containers.page();
    expect([first.processes, containers.asked.length]).to.deep.equal([[], 100]);
    expect(namesOf(await containers.page({ after: first.next }))).to.deep.equal(['last:p']);
    containers.asked.length = 0;
    containers.answering = async () => await containers.clock.sleep(4_000);
    const paging = containers.page();
    await settle();
    await containers.clock.advance(4_000);
    const slow = await paging;
    expect([slow.processes, slow.next !== undefined, containers.asked.length]).to.deep.equal([[], true, 8]);
  });

  it('names the containers whose pods did not answer, with the reason, and their stored results', async () => {
    for (const handle of ['fails', 'hangs', 'c']) containers.add(handle, ['p'], { stored: ['q'] });
    const failure = new ApiUnavailableError({ verb: 'get', resource: 'pods', namespace: 'ci' }, 'no answer', undefined);
    containers.answering = async (handle) => {
      if (handle === 'fails') throw failure;
      if (handle === 'hangs') await new Promise(() => {});
    };
    const paging = containers.page();
    await settle();
    await containers.clock.advance(5_000);
    const page = await paging;
    expect(namesOf(page)).to.deep.equal(['fails:q', 'hangs:q', 'c:p', 'c:q']);
    expect(page.unavailable.map(({ container, error }) => [container.handle, error.code])).to.deep.equal([
      ['fails', failure.code],
      ['hangs', 'KW_ERR_AGENT_UNAVAILABLE'],
    ]);
  });

  it('rejects with the reason of its signal, and with an error that is not about a pod', async () => {
    containers.add('a', ['p']);
    const abort = new AbortController();
    containers.answering = async () => await new Promise(() => {});
    const aborted = rejection(containers.page({}, abort.signal));
    await settle();
    abort.abort(new Error('enough'));
    expect((await aborted).message).to.equal('enough');
    containers.answering = async () => {
      throw new TypeError('a fault');
    };
    expect(await rejection(containers.page())).to.be.instanceOf(TypeError);
  });

  it('refuses a query that it does not understand', async () => {
    containers.add('a', ['p']);
    const cursors = ['', 'x', 'e30', Buffer.from('["a","b"]').toString('base64url'), 'WzFd', 'W10'];
    for (const [field, queries] of Object.entries<ProcessQuery[]>({
      after: cursors.map((after) => ({ after })),
      limit: [{ limit: 0 }, { limit: 1_001 }, { limit: 1.5 }],
      containerHandle: [{ containerHandle: '' }],
    }))
      for (const query of queries)
        expect(await rejection(containers.page(query)), JSON.stringify(query)).to.include({
          code: 'KW_ERR_INVALID_SPEC',
          field,
        });
    expect(namesOf(await containers.page({ limit: 1, after: encodeProcessPlace({}) }))).to.deep.equal(['a:p']);
  });
});
