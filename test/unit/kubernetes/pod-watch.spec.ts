import { getEventListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';

import { expect } from 'chai';

import { ClosedError } from '../../../src/errors/caller.ts';
import { ApiUnavailableError, ForbiddenError } from '../../../src/errors/cluster.ts';
import type { Cluster, Pod, PodChange, PodList } from '../../../src/kubernetes/cluster.ts';
import { type ObserveOptions, PodWatch } from '../../../src/kubernetes/pod-state/pod-watch.ts';
import { WatchExpiredError } from '../../../src/kubernetes/watch-expired-error.ts';
import type { AbortOptions } from '../../../src/runtime/options.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const facts = { verb: 'list', resource: 'pods', namespace: 'ci' };

function pod(name: string, version: number, phase = 'Running'): Pod {
  return { metadata: { name, uid: `uid-${name}`, resourceVersion: String(version) }, status: { phase } };
}

/** A cluster whose responses a test supplies one by one. */
class PodServer implements Pick<Cluster, 'listPods' | 'watchPods' | 'getPod'> {
  pods = new Map<string, Pod>();
  /** Existing pods that no label selector matches. */
  readonly unlisted = new Set<string>();
  lists = 0;
  watches = 0;
  gets = 0;
  openWatches = 0;
  listing: () => Promise<void> = async () => undefined;
  getting: () => Promise<void> = async () => undefined;
  #queue: (PodChange | Error | 'end')[] = [];
  #wake: () => void = () => undefined;

  async listPods(_selector: string, { signal }: AbortOptions = {}): Promise<PodList> {
    this.lists += 1;
    const pods = [...this.pods.values()].filter((one) => !this.unlisted.has(one.metadata?.name ?? ''));
    await this.listing();
    signal?.throwIfAborted();
    return { pods, resourceVersion: String(this.lists) };
  }

  async getPod(name: string): Promise<Pod | undefined> {
    this.gets += 1;
    await this.getting();
    return this.pods.get(name);
  }

  async *watchPods(
    _selector: string,
    _version: string,
    { signal }: AbortOptions = {},
  ): AsyncGenerator<PodChange, void, undefined> {
    this.watches += 1;
    this.openWatches += 1;
    const wake = (): void => this.#wake();
    signal?.addEventListener('abort', wake);
    try {
      for (;;) {
        signal?.throwIfAborted();
        const next = this.#queue.shift();
        if (next === 'end') return;
        if (next instanceof Error) throw next;
        if (next !== undefined) yield next;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      signal?.removeEventListener('abort', wake);
      this.openWatches -= 1;
    }
  }

  send(...events: (PodChange | Error | 'end')[]): void {
    for (const event of events) {
      if (event !== 'end' && !(event instanceof Error)) {
        const name = event.pod.metadata?.name ?? '';
        if (event.type === 'deleted') {
          if (!this.unlisted.has(name)) this.pods.delete(name);
        } else this.pods.set(event.pod.metadata?.name ?? '', event.pod);
      }
      this.#queue.push(event);
    }
    this.#wake();
  }
}

describe('a pod watch', () => {
  let server: PodServer;
  let clock: VirtualClock;
  let watch: PodWatch;

  beforeEach(() => {
    server = new PodServer();
    clock = new VirtualClock();
    watch = new PodWatch({ cluster: server, labelSelector: 'worker=w', clock, logger: silentLogger });
  });

  afterEach(async () => {
    watch.close();
    await setImmediate();
    expect(server.openWatches).to.equal(0);
    expect(clock.sleeping).to.equal(0);
  });

  describe('lastSeen()', () => {
    const phase = (name: string): string | undefined => watch.lastSeen(name)?.status?.phase;

    it('returns the newest state, and the last one of an observed pod that was deleted', async () => {
      server.pods.set('a', pod('a', 1));
      server.pods.set('b', pod('b', 1));
      const observation = observe('a');
      expect(phase('a')).to.equal(undefined);
      await next(observation);
      expect([phase('a'), phase('b')]).to.deep.equal(['Running', 'Running']);
      server.send({ type: 'deleted', pod: pod('a', 2, 'Failed') }, { type: 'deleted', pod: pod('b', 2, 'Failed') });
      expect(await next(observation)).to.equal(undefined);
      await observation.return();
      expect([phase('a'), phase('b')]).to.deep.equal(['Failed', undefined]);
    });

    it('returns the last state of an observed pod that is missing from the next list', async () => {
      server.pods.set('a', pod('a', 1));
      const observation = observe('a');
      await next(observation);
      server.pods.delete('a');
      server.send('end');
      const gone = next(observation);
      await clock.advance(1_000);
      expect(await gone).to.equal(undefined);
      expect(phase('a')).to.equal('Running');
    });

    it('keeps the last states of 100 pods', async () => {
      const names = Array.from({ length: 102 }, (_, index) => `p${index}`);
      for (const name of names) server.pods.set(name, pod(name, 1));
      const observations = names.map((name) => observe(name));
      await Promise.all(observations.map(next));
      server.send(...names.map((name) => ({ type: 'deleted' as const, pod: pod(name, 2) })));
      await Promise.all(observations.map(next));
      expect(names.filter((name) => phase(name) === undefined)).to.deep.equal(['p0', 'p1']);
    });
  });

  const observe = (name: string, options: ObserveOptions = {}) => watch.observe(name, options);
  const next = async (observation: AsyncGenerator<Pod | undefined, void, undefined>): Promise<string | undefined> => {
    const result = await observation.next();
    const value = result.done === true ? undefined : result.value;
    return value === undefined ? undefined : `${value.metadata?.resourceVersion ?? ''} ${value.status?.phase ?? ''}`;
  };

  it('sends no request before the first observation [A31]', async () => {
    observe('a');
    await clock.advance(60_000);
    expect(server.lists).to.equal(0);
  });

  it('yields the current state, and each change', async () => {
    server.pods.set('a', pod('a', 1, 'Pending'));
    const a = observe('a');
    expect(await next(a)).to.equal('1 Pending');
    server.send({ type: 'modified', pod: pod('a', 2) });
    expect(await next(a)).to.equal('2 Running');
    server.send({ type: 'deleted', pod: pod('a', 3) });
    expect(await next(a)).to.equal(undefined);
  });

  it('yields no other pod', async () => {
    server.pods.set('a', pod('a', 1));
    const a = observe('a');
    await next(a);
    server.send({ type: 'added', pod: pod('b', 2) }, { type: 'modified', pod: pod('a', 3) });
    expect(await next(a)).to.equal('3 Running');
  });

  it('skips states that were not taken, but never the newest [A31]', async () => {
    server.pods.set('a', pod('a', 1));
    const a = observe('a');
    await next(a);
    for (let version = 2; version <= 50; version += 1) server.send({ type: 'modified', pod: pod('a', version) });
    await setImmediate();
    expect(await next(a)).to.equal('50 Running');
  });

  it('uses one list and one watch for any number of observers [A31]', async () => {
    for (let index = 0; index < 20; index += 1) server.pods.set(`p${String(index)}`, pod(`p${String(index)}`, index));
    const observations = [...server.pods.keys()].map((name) => observe(name));
    await Promise.all(observations.map(next));
    const again = observe('p3');
    expect(await next(again)).to.equal('3 Running');
    expect(server).to.include({ lists: 1, watches: 1, gets: 0 });
  });

  it('reports a pod as absent only after reading it, not because a list lacks it', async () => {
    expect(await next(observe('none'))).to.equal(undefined);
    expect(server).to.include({ lists: 1, gets: 1 });
  });

  /** Removes a pod's labels, as a user may: it exists, but no list or watch contains it. */
  const unlist = (name: string): void => {
    server.unlisted.add(name);
    server.send({ type: 'deleted', pod: server.pods.get(name)! });
  };

  it('continues to report a pod whose labels were removed', async () => {
    server.pods.set('a', pod('a', 1));
    const a = observe('a');
    await next(a);
    unlist('a');
    server.pods.set('a', pod('a', 2));
    expect(await next(a)).to.equal('2 Running');
    server.send('end');
    server.pods.set('a', pod('a', 3, 'Failed'));
    const failed = next(a);
    await clock.advance(6_000);
    expect(await failed).to.equal('3 Failed');
    server.pods.delete('a');
    const absent = next(a);
    await clock.advance(6_000);
    expect(await absent).to.equal(undefined);
  });

  it('stops reading a pod when its labels are restored', async () => {
    server.pods.set('a', pod('a', 1));
    const a = observe('a');
    await next(a);
    unlist('a');
    await clock.advance(1_000);
    server.unlisted.clear();
    server.send({ type: 'added', pod: pod('a', 4) });
    expect(await next(a)).to.equal('4 Running');
    await clock.advance(10_000);
    const { gets } = server;
    await clock.advance(60_000);
    expect(server.gets).to.equal(gets);
  });

  it('reports a pod as absent when another one has its name', async () => {
    server.pods.set('a', pod('a', 1));
    const a = observe('a');
    await next(a);
    const other = pod('a', 2);
    other.metadata!.uid = 'uid-other';
    server.send({ type: 'modified', pod: other });
    expect(await next(a)).to.equal(undefined);
    expect(await next(observe('a'))).to.equal('2 Running');
  });

  describe('of a pod with a uid, whose name an earlier pod had', () => {
    const later = (): Pod => ({ metadata: { name: 'a', uid: 'uid-later', resourceVersion: '9' }, status: {} });

    it('yields that pod while the list still has the earlier one, and afterwards', async () => {
      server.pods.set('a', pod('a', 1));
      await next(observe('a'));
      server.pods.set('a', later());
      const a = observe('a', { uid: 'uid-later' });
      expect(await next(a)).to.equal('9 ');
      expect(await next(observe('a'))).to.equal('9 ');
      // The watch reports the past late.
      server.send({ type: 'modified', pod: pod('a', 2) }, { type: 'deleted', pod: pod('a', 3) });
      const change = { ...later(), status: { phase: 'Running' } };
      change.metadata!.resourceVersion = '10';
      server.send({ type: 'added', pod: change });
      expect(await next(a)).to.equal('10 Running');
    });

    it('reports it as absent only after reading it', async () => {
      server.pods.set('a', pod('a', 1));
      await next(observe('a'));
      const { promise, resolve } = Promise.withResolvers<void>();
      server.getting = () => promise;
      const absent = next(observe('a', { uid: 'uid-later' }));
      expect(await Promise.race([absent, setImmediate('no answer')])).to.equal('no answer');
      resolve();
      expect(await absent).to.equal(undefined);
    });
  });

  it('waits for a response of the API before it reports a pod as absent', async () => {
    server.pods.set('a', pod('a', 1));
    const a = observe('a');
    await next(a);
    server.getting = () => Promise.reject(new ApiUnavailableError(facts, 'down', 503));
    server.send({ type: 'deleted', pod: pod('a', 2) });
    let isReported = false;
    const change = next(a).finally(() => {
      isReported = true;
    });
    await clock.advance(100_000);
    expect(isReported).to.equal(false);
    server.getting = async () => undefined;
    await clock.advance(30_000);
    expect(await change).to.equal(undefined);
  });

  it('does not report a pod as absent that is newer than the list and whose event is pending', async () => {
    await next(observe('other'));
    server.pods.set('young', pod('young', 9, 'Pending'));
    const young = observe('young');
    expect(await next(young)).to.equal('9 Pending');
    expect(server.gets).to.equal(2);
  });

  it('does not report a pod as absent that is created during the first list', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listing = () => promise;
    const first = next(observe('other'));
    await setImmediate();
    server.pods.set('young', pod('young', 9));
    const young = next(observe('young'));
    resolve();
    expect(await young).to.equal('9 Running');
    await first;
  });

  it('prefers an event of the watch to an older response', async () => {
    await next(observe('other'));
    const { promise, resolve } = Promise.withResolvers<void>();
    server.getting = () => promise;
    const a = observe('a');
    const state = next(a);
    await setImmediate();
    server.send({ type: 'added', pod: pod('a', 5) });
    expect(await state).to.equal('5 Running');
    server.pods.set('a', pod('a', 4, 'Pending'));
    resolve();
    const more = next(a);
    await setImmediate();
    server.send({ type: 'modified', pod: pod('a', 7) });
    expect(await more).to.equal('7 Running');
  });

  for (const [what, end] of [
    ['the server closes the watch', 'end'],
    ['its version has expired', new WatchExpiredError('1', 'too old')],
    ['the API fails', new ApiUnavailableError(facts, 'down', 503)],
  ] as const) {
    it(`lists again when ${what}, and yields the missed state [A31] [A32]`, async () => {
      server.pods.set('a', pod('a', 1));
      server.pods.set('b', pod('b', 1));
      const [a, b] = [observe('a'), observe('b')];
      await Promise.all([next(a), next(b)]);
      server.pods.set('a', pod('a', 2, 'Failed'));
      server.pods.delete('b');
      server.send(end);
      const changes = Promise.all([next(a), next(b)]);
      await clock.advance(1_000);
      expect(await changes).to.deep.equal(['2 Failed', undefined]);
      expect(server).to.include({ lists: 2, watches: 2 });
    });
  }

  it('yields nothing while the API is unavailable, for any time, and continues afterwards [A33]', async () => {
    server.pods.set('a', pod('a', 1));
    const a = observe('a');
    await next(a);
    const down = new ApiUnavailableError(facts, 'down', undefined);
    server.listing = () => Promise.reject(down);
    server.send(down);
    let isReported = false;
    const change = next(a).then((value) => {
      isReported = true;
      return value;
    });
    await clock.advance(600_000);
    expect(isReported).to.equal(false);
    server.listing = async () => undefined;
    server.pods.delete('a');
    await clock.advance(30_000);
    expect(await change).to.equal(undefined);
  });

  it('waits longer after each failure, up to 30 s, also for a watch that ends immediately [A32]', async () => {
    server.pods.set('a', pod('a', 1));
    await next(observe('a'));
    server.listing = () => Promise.reject(new ApiUnavailableError(facts, 'down', undefined));
    server.send('end');
    await clock.advance(600_000);
    expect(server.lists).to.be.within(20, 60);

    server.listing = async () => undefined;
    for (let count = 0; count < 500; count += 1) server.send('end');
    const before = server.lists;
    await clock.advance(60_000);
    expect(server.lists - before).to.be.below(15);
  });

  it('rejects observers if pods cannot be listed [A33]', async () => {
    const refusal = new ForbiddenError(facts, 'no');
    server.listing = () => Promise.reject(refusal);
    expect(await rejection(observe('a').next())).to.equal(refusal);
    server.listing = async () => undefined;
    server.pods.set('a', pod('a', 1));
    expect(await next(observe('a'))).to.equal('1 Running');
  });

  it('continues if the permission to list is revoked later', async () => {
    server.pods.set('a', pod('a', 1));
    const a = observe('a');
    await next(a);
    server.listing = () => Promise.reject(new ForbiddenError(facts, 'no'));
    server.send('end');
    const change = next(a);
    await clock.advance(100_000);
    server.listing = async () => undefined;
    server.pods.set('a', pod('a', 2));
    await clock.advance(30_000);
    expect(await change).to.equal('2 Running');
  });

  it('stops after 30 s without observers, and starts again for the next one', async () => {
    server.pods.set('a', pod('a', 1));
    const a = observe('a');
    await next(a);
    await a.return();
    await clock.advance(29_000);
    expect(server.openWatches).to.equal(1);
    await clock.advance(2_000);
    expect(server.openWatches).to.equal(0);
    expect(clock.sleeping).to.equal(0);
    server.pods.delete('a');
    expect(await next(observe('a'))).to.equal(undefined);
    expect(server.lists).to.equal(2);
  });

  it('continues if a new observation begins in time', async () => {
    server.pods.set('a', pod('a', 1));
    const a = observe('a');
    await next(a);
    await a.return();
    await clock.advance(20_000);
    const again = observe('a');
    expect(await next(again)).to.equal('1 Running');
    await clock.advance(60_000);
    expect(server).to.include({ lists: 1, openWatches: 1 });
  });

  it("rejects an observation with the signal's reason, and removes its listener", async () => {
    const controller = new AbortController();
    const a = observe('a', { signal: controller.signal });
    await next(a);
    const waiting = rejection(next(a));
    await setImmediate();
    const reason = new Error('enough');
    controller.abort(reason);
    expect(await waiting).to.equal(reason);
    expect(getEventListeners(controller.signal, 'abort')).to.have.length(0);
    expect(await rejection(observe('a', { signal: controller.signal }).next())).to.equal(reason);
  });

  it('rejects every observation on close', async () => {
    const a = observe('a');
    await next(a);
    const waiting = rejection(next(a));
    watch.close();
    expect(await waiting).to.be.instanceOf(ClosedError);
    expect(await rejection(observe('a').next())).to.be.instanceOf(ClosedError);
  });
});
