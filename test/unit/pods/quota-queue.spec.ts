import { expect } from 'chai';
import fc from 'fast-check';

import { ApiUnavailableError, QuotaExceededError } from '../../../src/errors/cluster.ts';
import { type QuotaPlaceOptions, QuotaQueue } from '../../../src/pods/quota-queue.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

const facts = { verb: 'create', resource: 'pods', namespace: 'ci' };
const limitMs = 300_000;

/** A namespace with a quota, and one worker that creates pods in it. */
class Namespace {
  readonly clock = new VirtualClock();
  readonly queue: QuotaQueue;
  /** The names of the pods that were tried, and of those that were created, in order. */
  tries: string[] = [];
  readonly created: string[] = [];
  readonly errors = new Map<string, unknown>();
  /** The number of creations under way that began while others waited, and its maximum. */
  underWay = 0;
  maxUnderWay = 0;
  free: number;
  readonly #latencyMs: number;

  constructor(free: number, { latencyMs = 0, maxWaiting = 100 } = {}) {
    this.free = free;
    this.#latencyMs = latencyMs;
    this.queue = new QuotaQueue({ clock: this.clock, limitMs, maxWaiting, random: () => 0.5 });
  }

  /** Creates a pod, as a launch does. Records what comes of it. */
  create(name: string, size = 1, options: QuotaPlaceOptions = {}): void {
    const launch = async (): Promise<void> => {
      using place = this.queue.arrive(options);
      await place.run(() => this.#request(name, size));
      this.created.push(name);
    };
    launch().catch((error: unknown) => this.errors.set(name, error));
  }

  async #request(name: string, size: number): Promise<void> {
    const isCounted = this.queue.length > 0;
    if (isCounted) this.underWay += 1;
    this.maxUnderWay = Math.max(this.maxUnderWay, this.underWay);
    this.tries.push(name);
    try {
      if (this.#latencyMs > 0) await this.clock.sleep(this.#latencyMs);
      if (this.free < size) throw new QuotaExceededError(facts, `pods "${name}" is forbidden: exceeded quota`);
      this.free -= size;
    } finally {
      if (isCounted) this.underWay -= 1;
    }
  }
}

describe('QuotaQueue', () => {
  it('lets all creations try at once while no quota refuses', async () => {
    const namespace = new Namespace(3, { latencyMs: 100 });
    for (const name of ['a', 'b', 'c']) namespace.create(name);
    expect(namespace.tries).to.deep.equal(['a', 'b', 'c']);
    await namespace.clock.advance(100);
    expect(namespace.created).to.deep.equal(['a', 'b', 'c']);
    expect(namespace.clock.sleeping).to.equal(0);
  });

  it('lets the first one retry, and the next one at once after it succeeds', async () => {
    const namespace = new Namespace(0);
    for (const name of ['a', 'b', 'c']) namespace.create(name);
    await namespace.clock.advance(500);
    expect(namespace.tries).to.deep.equal(['a', 'b', 'c', 'a', 'a']);
    namespace.free = 2;
    await namespace.clock.advance(30);
    expect(namespace.tries.slice(5)).to.deep.equal(['a', 'b', 'c']);
    expect(namespace.created).to.deep.equal(['a', 'b']);
  });

  it('retries after short waits again when one has succeeded', async () => {
    const namespace = new Namespace(0);
    namespace.create('a');
    namespace.create('b');
    await namespace.clock.advance(60_000);
    namespace.free = 1;
    while (namespace.created.length === 0) await namespace.clock.advance(10);
    namespace.tries = [];
    await namespace.clock.advance(600);
    expect(namespace.tries).to.deep.equal(['b', 'b', 'b']);
  });

  it('puts a creation that arrives later behind the others, and lets it try once at once', async () => {
    const namespace = new Namespace(0);
    namespace.create('a');
    namespace.create('b');
    await namespace.clock.advance(30_000);
    namespace.tries = [];
    namespace.create('c');
    await settle();
    expect(namespace.tries).to.deep.equal(['a', 'c']);
    namespace.free = 3;
    await namespace.clock.advance(5_000);
    expect(namespace.created).to.deep.equal(['a', 'b', 'c']);
  });

  it('creates a small pod at once that arrives behind a large one without room', async () => {
    const namespace = new Namespace(2);
    namespace.create('large', 3);
    await namespace.clock.advance(30_000);
    namespace.create('small');
    await settle();
    expect(namespace.created).to.deep.equal(['small']);
  });

  it('creates small pods behind a large one when there is room for them, within ten rounds', async () => {
    const namespace = new Namespace(0);
    namespace.create('large', 30);
    for (let index = 0; index < 20; index += 1) namespace.create(`small-${String(index)}`);
    await namespace.clock.advance(30_000);
    namespace.free = 20;
    await namespace.clock.advance(50_000);
    expect(namespace.created).to.have.lengthOf(20);
    expect(namespace.queue.length).to.equal(1);
  });

  it('reports each refusal with the number of creations before it', async () => {
    const namespace = new Namespace(0);
    const reports: unknown[] = [];
    const refused = (refusal: Error, queued: number): void => void reports.push([refusal.message.slice(-37), queued]);
    namespace.create('a');
    namespace.create('b', 1, { refused });
    await settle();
    expect(reports).to.deep.equal([['"b" is forbidden: exceeded quota'.padStart(37, 'pods '), 1]]);
  });

  it('rejects with the last refusal after the limit, and lets the next one continue', async () => {
    const namespace = new Namespace(0);
    namespace.create('a');
    await namespace.clock.advance(1_000);
    namespace.create('b');
    await namespace.clock.advance(limitMs - 1_001);
    expect(namespace.errors.size).to.equal(0);
    await namespace.clock.advance(1);
    expect(namespace.errors.get('a')).to.be.instanceOf(QuotaExceededError).with.property('message').include('pods "a"');
    namespace.free = 1;
    await namespace.clock.advance(5_000);
    expect(namespace.created).to.deep.equal(['b']);
    expect(namespace.clock.sleeping).to.equal(0);
  });

  it('rejects a creation without a turn after the limit', async () => {
    const namespace = new Namespace(0, { latencyMs: 2 * limitMs });
    namespace.create('a');
    await namespace.clock.advance(2 * limitMs + 100);
    namespace.create('b');
    await namespace.clock.advance(limitMs);
    const error = namespace.errors.get('b') as QuotaExceededError;
    expect(error).to.include({ code: 'KW_ERR_QUOTA_EXCEEDED', retryable: true, namespace: 'ci' });
    expect(error.message).to.match(/this one had no turn within 300000 ms$/);
    expect((error.cause as Error).message).to.include('pods "a"');
  });

  it('rejects with its own refusal if the limit passes during its only try', async () => {
    const namespace = new Namespace(0, { latencyMs: 120_000 });
    namespace.create('a');
    await namespace.clock.advance(120_100);
    namespace.create('b');
    await namespace.clock.advance(359_900);
    expect(namespace.tries).to.deep.equal(['a', 'a', 'a', 'b']);
    expect([...namespace.errors.keys()]).to.deep.equal(['a']);
    await namespace.clock.advance(100);
    expect((namespace.errors.get('b') as Error).message).to.include('pods "b"');
    expect(namespace.clock.sleeping).to.equal(0);
  });

  it('rejects at once when too many wait, with a retryable error', async () => {
    const namespace = new Namespace(0, { maxWaiting: 2 });
    for (const name of ['a', 'b', 'c']) namespace.create(name);
    await settle();
    namespace.create('d');
    await settle();
    for (const name of ['c', 'd']) {
      expect(namespace.errors.get(name)).to.include({ code: 'KW_ERR_QUOTA_EXCEEDED', retryable: true });
      expect((namespace.errors.get(name) as Error).message).to.match(
        /the queue is full: 2 creations already wait for room \(maxWaitingForQuota\)$/,
      );
    }
    namespace.free = 2;
    await namespace.clock.advance(1_000);
    expect(namespace.created).to.deep.equal(['a', 'b']);
  });

  it('rejects with the reason of the signal, and lets the next one try', async () => {
    const namespace = new Namespace(0);
    const stop = new AbortController();
    namespace.create('a', 1, { signal: stop.signal });
    namespace.create('b');
    await settle();
    const reason = new Error('enough');
    stop.abort(reason);
    await settle();
    expect(namespace.errors.get('a')).to.equal(reason);
    namespace.free = 1;
    await namespace.clock.advance(75);
    expect(namespace.created).to.deep.equal(['b']);
    expect(namespace.clock.sleeping).to.equal(0);
  });

  it('rejects with another failure at once, and continues at the same place', async () => {
    const namespace = new Namespace(0);
    using place = namespace.queue.arrive();
    const unavailable = new ApiUnavailableError(facts, 'down', 503);
    let failure: Error = new QuotaExceededError(facts, 'exceeded quota');
    const run = (): Promise<string> =>
      place.run(() => (namespace.free > 0 ? Promise.resolve('a') : Promise.reject(failure)));
    const first = run().catch((error: unknown) => error);
    namespace.create('b');
    await settle();
    failure = unavailable;
    await namespace.clock.advance(75);
    expect(await first).to.equal(unavailable);
    failure = new QuotaExceededError(facts, 'exceeded quota');
    const second = run().then((name) => namespace.created.push(name));
    await settle();
    namespace.free = 2;
    await namespace.clock.advance(5_000);
    await second;
    expect(namespace.created).to.deep.equal(['a', 'b']);
  });

  it('keeps the place of a creation in a full queue after another failure', async () => {
    const namespace = new Namespace(0, { maxWaiting: 1 });
    using place = namespace.queue.arrive();
    let failure: Error = new QuotaExceededError(facts, 'exceeded quota');
    const run = (): Promise<void> => place.run(() => Promise.reject(failure));
    const first = run().catch((error: unknown) => error);
    await settle();
    failure = new ApiUnavailableError(facts, 'down', 503);
    await namespace.clock.advance(75);
    expect(await first).to.equal(failure);
    namespace.create('b');
    await settle();
    expect(namespace.queue.length).to.equal(1);
    failure = new QuotaExceededError(facts, 'exceeded quota');
    run().catch((error: unknown) => namespace.errors.set('a', error));
    await settle();
    expect(namespace.queue.length).to.equal(2);
    expect(namespace.errors.size).to.equal(0);
  });

  const event = fc.oneof(
    { weight: 3, arbitrary: fc.record({ arrives: fc.integer({ min: 1, max: 4 }) }) },
    { weight: 2, arbitrary: fc.record({ frees: fc.integer({ min: 1, max: 4 }) }) },
    { weight: 1, arbitrary: fc.record({ aborts: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ passesMs: fc.integer({ min: 1, max: 3_000 }) }) },
  );

  for (const latencyMs of [0, 40]) {
    it(`creates or aborts each pod, with one request at a time, in any order of events, at ${String(latencyMs)} ms per request`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(event, { minLength: 5, maxLength: 40 }), async (events) => {
          const namespace = new Namespace(2, { latencyMs });
          const stops: AbortController[] = [];
          for (const each of events) {
            if ('arrives' in each) {
              const stop = new AbortController();
              const name = String(stops.push(stop) - 1);
              namespace.create(name, latencyMs === 0 ? 1 : each.arrives, { signal: stop.signal });
            } else if ('frees' in each) namespace.free += each.frees;
            else if ('aborts' in each) stops[each.aborts % Math.max(1, stops.length)]?.abort(new Error('aborted'));
            else await namespace.clock.advance(each.passesMs);
            if (latencyMs === 0) await settle();
          }
          namespace.free = Infinity;
          await namespace.clock.advance(10_000 + 100 * latencyMs);
          expect(namespace.maxUnderWay).to.be.at.most(1);
          const ended = [...namespace.created, ...namespace.errors.keys()];
          expect(ended.map(Number).sort((a, b) => a - b)).to.deep.equal(stops.map((_, index) => index));
          for (const [name, error] of namespace.errors) expect(error).to.equal(stops[Number(name)]!.signal.reason);
          expect(namespace.queue.length).to.equal(0);
          expect(namespace.clock.sleeping).to.equal(0);
          // Pods of one size are created in order.
          if (latencyMs === 0) expect(namespace.created).to.deep.equal([...namespace.created].sort((a, b) => +a - +b));
        }),
        { numRuns: 60 },
      );
    });
  }
});
