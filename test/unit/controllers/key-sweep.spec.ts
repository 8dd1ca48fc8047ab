import { expect } from 'chai';

import { type KeySweepContext, sweepKeys } from '../../../src/controllers/key-sweep.ts';
import { StoreUnavailableError } from '../../../src/errors/store.ts';
import { ArchiveRows, installationId, keyOf } from '../../support/archives/archive-rows.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { MemoryArchiveStore } from '../../support/stores/memory-archive-store.ts';

const hourMs = 60 * 60 * 1000;
const now = Date.parse('2026-01-10T12:00:00Z');

describe('sweepKeys', () => {
  let rows: ArchiveRows;
  let store: MemoryArchiveStore;
  let calls: string[];
  let fail: (call: string, key: string) => void;

  beforeEach(() => {
    rows = new ArchiveRows();
    rows.fault = (statement) => void calls.push(statement);
    calls = [];
    fail = () => {};
    store = new MemoryArchiveStore({
      fault: (call, key) => {
        calls.push(call);
        fail(call, key);
      },
    });
    // Shows the store's clock.
    rows.add(1, 'creating');
    written(keyOf(1), 0);
  });

  function written(key: string, ageMs: number): void {
    store.archives.set(key, { bytes: Buffer.from('bytes'), modifiedAt: new Date(now - ageMs) });
  }

  async function sweep({
    stores = [store],
    ...more
  }: Partial<KeySweepContext> & { stores?: MemoryArchiveStore[] } = {}) {
    let deleted = 0;
    const failures: unknown[] = [];
    const context = { signal: undefined, failures, logger: silentLogger, deleted: () => void (deleted += 1), ...more };
    const byName = new Map(stores.map((each) => [each.name, each]));
    await sweepKeys({ installationId, archives: rows, stores: byName, clock: { now: () => now } }, context);
    return { deleted, failures };
  }

  const left = () => [...store.archives.keys()];

  it('deletes keys without an archive that are older than a day', async () => {
    written(keyOf(2), 24 * hourMs);
    written(keyOf(3), 24 * hourMs - 1);
    expect(await sweep()).to.deep.equal({ deleted: 1, failures: [] });
    expect(left()).to.deep.equal([keyOf(1), keyOf(3)]);
  });

  it('looks up the archives after the whole list, and deletes last', async () => {
    for (let number = 2; number < 1_500; number += 1) written(keyOf(number), 100 * hourMs);
    expect(await sweep()).to.include({ deleted: 1_498 });
    expect(calls.slice(0, 4)).to.deep.equal(['list', 'lookup', 'lookup', 'delete']);
  });

  it('leaves the keys of archives that exist, and of attempts under way', async () => {
    rows.add(2, 'ready', { attempt: 2 });
    written(keyOf(2, 2), 100 * hourMs);
    rows.add(3, 'creating', { attempt: 2 });
    written(keyOf(3, 2), 100 * hourMs);
    rows.add(4, 'destroying');
    written(keyOf(4), 100 * hourMs);
    expect(await sweep()).to.deep.equal({ deleted: 0, failures: [] });
  });

  it('deletes what a late writer of an earlier attempt has left', async () => {
    rows.add(2, 'ready', { attempt: 2 });
    rows.add(3, 'creating', { attempt: 3 });
    for (const key of [keyOf(2, 1), keyOf(2, 2), keyOf(3, 2), keyOf(3, 3)]) written(key, 100 * hourMs);
    expect(await sweep()).to.include({ deleted: 2 });
    expect(left()).to.deep.equal([keyOf(1), keyOf(2, 2), keyOf(3, 3)]);
  });

  it('leaves keys that the library has not written', async () => {
    const id = '00000002-0000-4000-8000-000000000000';
    const foreign = [
      `other/00/${id}-1.tar.zst`,
      `${installationId}/00/${id}-1.tar`,
      `${installationId}/ff/${id}-1.tar.zst`,
      `${installationId}/notes.txt`,
      `${installationId}-2/00/${id}-1.tar.zst`,
    ];
    for (const key of foreign) written(key, 1_000 * hourMs);
    expect(await sweep()).to.include({ deleted: 0 });
    expect(left()).to.include.members(foreign);
  });

  it('deletes nothing after a list that fails before its end', async () => {
    for (const number of [2, 3]) written(keyOf(number), 100 * hourMs);
    const other = new MemoryArchiveStore({ name: 'other' });
    other.archives.set(keyOf(4), { bytes: Buffer.alloc(1), modifiedAt: new Date(now - 100 * hourMs) });
    const list = store.list.bind(store);
    store.list = async function* (prefix, options) {
      for await (const listed of list(prefix, options)) {
        yield listed;
        if (listed.key === keyOf(2)) throw new StoreUnavailableError({ store: 'memory' }, 'cut');
      }
    };
    const { deleted, failures } = await sweep({ stores: [store, other] });
    expect(left()).to.have.length(3);
    expect(failures).to.have.length(1);
    expect([deleted, other.archives.size], 'another store').to.deep.equal([1, 0]);
  });

  it('deletes nothing if any lookup fails', async () => {
    for (let number = 2; number < 1_500; number += 1) written(keyOf(number), 100 * hourMs);
    rows.fault = (statement) => {
      calls.push(statement);
      if (calls.filter((call) => call === 'lookup').length === 2) throw new Error('database away');
    };
    const { failures } = await sweep();
    expect(failures).to.have.length(1);
    expect(left()).to.have.length(1_499);
  });

  it('collects the failures of single deletions, and deletes the others', async () => {
    for (const number of [2, 3, 4]) written(keyOf(number), 100 * hourMs);
    fail = (call, key) => {
      if (call === 'delete' && key === keyOf(3)) throw new Error('refused');
    };
    const { deleted, failures } = await sweep();
    expect([deleted, failures.length]).to.deep.equal([2, 1]);
    expect(left()).to.deep.equal([keyOf(1), keyOf(3)]);
  });

  it('begins no deletion after an abort', async () => {
    written(keyOf(2), 100 * hourMs);
    const abort = new AbortController();
    rows.fault = () => abort.abort(new Error('closing'));
    expect(await rejection(sweep({ signal: abort.signal }))).to.include({ message: 'closing' });
    expect(left()).to.have.length(2);
  });
});
