import { expect } from 'chai';
import { type NewObject, ObjectStore, type StoreEvent } from '../../../../src/embedded/objects/object-store.ts';
import { ApiError } from '../../../../src/embedded/objects/status.ts';

const nowMs = Date.parse('2026-01-02T03:04:05.678Z');

function newStore(historyLength = 100): ObjectStore {
  return new ObjectStore({ historyLength, now: () => nowMs });
}

function configMap(name: string, namespace = 'default'): NewObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace } };
}

function codeOf(action: () => unknown): number | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return error instanceof ApiError ? error.code : -1;
  }
}

describe('ObjectStore', () => {
  it('assigns a uid, a version and a time in whole seconds to a new object', () => {
    const { metadata } = newStore().create('configmaps', configMap('a'));
    expect(metadata.uid).to.match(/^[0-9a-f-]{36}$/);
    expect(metadata.resourceVersion).to.equal('2');
    expect(metadata.creationTimestamp).to.equal('2026-01-02T03:04:05Z');
  });

  it('counts versions across kinds', () => {
    const store = newStore();
    store.create('configmaps', configMap('a'));
    const secret = store.create('secrets', configMap('a'));
    expect(secret.metadata.resourceVersion).to.equal('3');
    expect(store.version).to.equal(3);
  });

  it('rejects a duplicate name in a namespace and accepts it in another', () => {
    const store = newStore();
    store.create('configmaps', configMap('a'));
    expect(codeOf(() => store.create('configmaps', configMap('a')))).to.equal(409);
    expect(codeOf(() => store.create('configmaps', configMap('a', 'other')))).to.equal(undefined);
  });

  it('lists by namespace, then by name', () => {
    const store = newStore();
    for (const [name, namespace] of [
      ['b', 'x'],
      ['a', 'x'],
      ['c', 'w'],
    ] as const)
      store.create('configmaps', configMap(name, namespace));
    expect(store.list('configmaps').map(({ metadata }) => metadata.name)).to.deep.equal(['c', 'a', 'b']);
    expect(store.list('configmaps', 'x').map(({ metadata }) => metadata.name)).to.deep.equal(['a', 'b']);
  });

  it('rejects an update from an old version', () => {
    const store = newStore();
    const first = store.create('configmaps', configMap('a'));
    store.update('configmaps', { ...first, data: { k: '1' } });
    expect(codeOf(() => store.update('configmaps', { ...first, data: { k: '2' } }))).to.equal(409);
  });

  it('accepts an update without a version, whatever the current version is', () => {
    const store = newStore();
    const first = store.create('configmaps', configMap('a'));
    store.update('configmaps', { ...first, data: { k: '1' } });
    const third = store.update('configmaps', {
      ...first,
      metadata: { ...first.metadata, resourceVersion: '' },
      data: { k: '2' },
    });
    expect(third.metadata.resourceVersion).to.equal('4');
  });

  it('uses no version and notifies no subscriber when the object is unchanged', () => {
    const store = newStore();
    const first = store.create('configmaps', configMap('a'));
    const events: StoreEvent[] = [];
    store.subscribe('configmaps', (event) => events.push(event));
    expect(store.update('configmaps', { ...first })).to.equal(first);
    expect(store.version).to.equal(2);
    expect(events).to.deep.equal([]);
  });

  it('rejects an update of an object that another object of the same name has replaced', () => {
    const store = newStore();
    const first = store.create('configmaps', configMap('a'));
    store.remove('configmaps', 'default', 'a');
    store.create('configmaps', configMap('a'));
    expect(
      codeOf(() => store.update('configmaps', { ...first, metadata: { ...first.metadata, resourceVersion: '' } })),
    ).to.equal(404);
  });

  it('assigns a new version to a deletion', () => {
    const store = newStore();
    store.create('configmaps', configMap('a'));
    expect(store.remove('configmaps', 'default', 'a')?.metadata.resourceVersion).to.equal('3');
    expect(store.remove('configmaps', 'default', 'a')).to.equal(undefined);
  });

  it('delivers an event that a listener causes after the current event', () => {
    const store = newStore();
    const seen: string[] = [];
    store.subscribe('configmaps', ({ type, object }) => {
      if (type === 'ADDED') store.update('configmaps', { ...object, data: { by: 'listener' } });
    });
    store.subscribe('configmaps', ({ type }) => seen.push(type));
    store.create('configmaps', configMap('a'));
    expect(seen).to.deep.equal(['ADDED', 'MODIFIED']);
  });

  it('does not notify a listener after it has unsubscribed', () => {
    const store = newStore();
    let calls = 0;
    const leave = store.subscribe('configmaps', () => (calls += 1));
    leave();
    store.create('configmaps', configMap('a'));
    expect(calls).to.equal(0);
  });

  describe('since', () => {
    it('returns the changes after a version, in order', () => {
      const store = newStore();
      store.create('configmaps', configMap('a'));
      store.create('configmaps', configMap('b'));
      store.remove('configmaps', 'default', 'a');
      expect(store.since('configmaps', 2).map(({ type, object }) => `${type} ${object.metadata.name}`)).to.deep.equal([
        'ADDED b',
        'DELETED a',
      ]);
      expect(store.since('configmaps', store.version)).to.deep.equal([]);
    });

    it('throws 410 for a version whose successors are discarded, but not for the oldest retained version', () => {
      const store = newStore(2);
      for (const name of ['a', 'b', 'c']) store.create('configmaps', configMap(name));
      expect(codeOf(() => store.since('configmaps', 1))).to.equal(410);
      expect(store.since('configmaps', 2).length).to.equal(2);
    });
  });
});
