import { getEventListeners } from 'node:events';

import { expect } from 'chai';

import { EventHub } from '../../../src/events/event-hub.ts';
import type { WorkerEvent } from '../../../src/runtime/worker-events.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

describe('EventHub', () => {
  let clock: VirtualClock;
  let hub: EventHub;

  beforeEach(() => {
    clock = new VirtualClock();
    hub = new EventHub({ clock });
  });

  const emit = (...handles: string[]): void => {
    for (const handle of handles) hub.emit({ kind: 'artifact-expired', handle });
  };
  const nameOf = (event: WorkerEvent): string => {
    if (event.kind === 'overflow') return `-${event.dropped}`;
    return event.kind === 'artifact-expired' ? event.handle : event.kind;
  };
  /** Reads up to `limit` events, and leaves the iterable open. */
  const read = async (events: AsyncIterable<WorkerEvent>, limit: number): Promise<string[]> => {
    const iterator = events[Symbol.asyncIterator]();
    const names: string[] = [];
    while (names.length < limit) {
      const next = await iterator.next();
      if (next.done === true) return [...names, 'end'];
      names.push(nameOf(next.value));
    }
    return names;
  };

  it('delivers events in their order, with the time of their report', async () => {
    const events = hub.subscribe();
    emit('a');
    await clock.advance(5);
    emit('b');
    const iterator = events[Symbol.asyncIterator]();
    const start = Date.UTC(2030, 0, 1);
    expect((await iterator.next()).value).to.deep.equal({
      kind: 'artifact-expired',
      handle: 'a',
      at: new Date(start),
    });
    expect((await iterator.next()).value).to.deep.include({ handle: 'b', at: new Date(start + 5) });
  });

  it('delivers an event to a consumer that waits for it', async () => {
    const reading = read(hub.subscribe(), 2);
    emit('a', 'b');
    expect(await reading).to.deep.equal(['a', 'b']);
  });

  it('delivers all events since its call to each consumer', async () => {
    const early = hub.subscribe();
    emit('a');
    const late = hub.subscribe();
    emit('b');
    hub.close();
    expect(await read(early, 3)).to.deep.equal(['a', 'b', 'end']);
    expect(await read(late, 3)).to.deep.equal(['b', 'end']);
  });

  it('drops the newest events when a buffer is full, and reports their number in their place', async () => {
    const events = hub.subscribe({ bufferSize: 2 });
    emit('a', 'b', 'c', 'd');
    expect(await read(events, 1)).to.deep.equal(['a']);
    emit('e', 'f');
    hub.close();
    expect(await read(events, 9)).to.deep.equal(['b', '-2', 'e', '-1', 'end']);
  });

  it('does not let a slow consumer affect another', async () => {
    const slow = hub.subscribe({ bufferSize: 1 });
    const fast = hub.subscribe();
    emit('a', 'b', 'c');
    hub.close();
    expect(await read(fast, 9)).to.deep.equal(['a', 'b', 'c', 'end']);
    expect(await read(slow, 9)).to.deep.equal(['a', '-2', 'end']);
  });

  it('ends an iterable after its waiting events when it is closed', async () => {
    const events = hub.subscribe();
    const waiting = read(hub.subscribe(), 1);
    hub.close();
    emit('late');
    expect(await waiting).to.deep.equal(['end']);
    expect(await read(events, 9)).to.deep.equal(['end']);
  });

  it('frees a consumer that leaves its loop', async () => {
    const events = hub.subscribe();
    emit('a', 'b');
    for await (const event of events) {
      expect(nameOf(event)).to.equal('a');
      break;
    }
    emit('c');
    expect(await read(events, 9)).to.deep.equal(['end']);
  });

  it('ends an iterable by its signal, discards what waits, and removes its listener', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const events = hub.subscribe({ signal });
    const waiting = read(hub.subscribe({ signal }), 2);
    emit('a');
    controller.abort();
    emit('b');
    expect(await waiting).to.deep.equal(['a', 'end']);
    expect(await read(events, 9)).to.deep.equal(['end']);
    expect(await read(hub.subscribe({ signal }), 9)).to.deep.equal(['end']);
    expect(getEventListeners(signal, 'abort')).to.have.length(0);
  });

  it('removes its listener from the signal when the consumer leaves', async () => {
    const { signal } = new AbortController();
    const iterator = hub.subscribe({ signal })[Symbol.asyncIterator]();
    await iterator.return?.();
    expect(getEventListeners(signal, 'abort')).to.have.length(0);
  });

  it('reports an event that no consumer can change', async () => {
    const events = hub.subscribe();
    emit('a');
    const { value } = await events[Symbol.asyncIterator]().next();
    expect(Object.isFrozen(value)).to.equal(true);
  });
});
