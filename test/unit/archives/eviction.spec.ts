import { expect } from 'chai';
import sinon from 'sinon';

import { Eviction } from '../../../src/archives/eviction.ts';
import { StoreUnavailableError } from '../../../src/errors/store.ts';
import { ArchiveRows, archiveId, installationId, keyOf } from '../../support/archives/archive-rows.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { MemoryArchiveStore } from '../../support/stores/memory-archive-store.ts';

describe('Eviction', () => {
  let rows: ArchiveRows;
  let broken: Set<string>;
  let store: MemoryArchiveStore;
  let eviction: Eviction;
  const reapSoon = sinon.spy();

  beforeEach(() => {
    rows = new ArchiveRows();
    broken = new Set();
    store = new MemoryArchiveStore({
      fault: (call, key) => {
        if (call !== 'delete') return;
        expect(rows.rows.size, 'rows while bytes are deleted').to.equal(4);
        if (broken.has(key)) throw new StoreUnavailableError({ store: 'memory', key }, 'away');
      },
    });
    reapSoon.resetHistory();
    for (let number = 1; number <= 4; number += 1) {
      rows.add(number, 'ready', { attempt: number, storedBytes: 10 });
      store.archives.set(keyOf(number, number), { bytes: Buffer.alloc(10), modifiedAt: new Date(0) });
    }
    const stores = new Map([['memory', store]]);
    eviction = new Eviction({
      workerName: 'w',
      installationId,
      archives: rows,
      stores,
      logger: silentLogger,
      reapSoon,
    });
  });

  const keys = () => [...store.archives.keys()];

  it('deletes the bytes of as many archives as are needed first, and their rows last', async () => {
    expect(await eviction.freeSpace('memory', 15)).to.equal(20);
    expect(keys()).to.deep.equal([keyOf(3, 3), keyOf(4, 4)]);
    expect([...rows.rows.keys()]).to.deep.equal([archiveId(3), archiveId(4)]);
    sinon.assert.calledOnce(reapSoon);
  });

  it('deletes the keys of all attempts', async () => {
    store.archives.set(keyOf(2, 1), { bytes: Buffer.alloc(3), modifiedAt: new Date(0) });
    await eviction.freeSpace('memory', 15);
    expect(keys()).to.not.include(keyOf(2, 1));
  });

  it('leaves the row of an archive whose bytes remain, and counts what it has freed', async () => {
    broken.add(keyOf(1));
    expect(await eviction.freeSpace('memory', 15)).to.equal(10);
    expect(rows.rows.get(archiveId(1))?.state).to.equal('destroying');
    expect(rows.rows.has(archiveId(2))).to.equal(false);
  });

  it('counts what it has freed although the rows cannot be deleted', async () => {
    rows.fault = (statement) => {
      if (statement === 'deleteAll') throw new Error('database away');
    };
    expect(await eviction.freeSpace('memory', 5)).to.equal(10);
    expect(rows.rows.get(archiveId(1))?.state).to.equal('destroying');
  });

  it('deletes nothing if the database does not answer', async () => {
    rows.fault = () => {
      throw new Error('database away');
    };
    expect(await rejection(eviction.freeSpace('memory', 5))).to.include({ message: 'database away' });
    expect(keys()).to.have.length(4);
  });

  it('frees nothing in a store without evictable archives, or of another host', async () => {
    expect(await eviction.freeSpace('elsewhere', 5)).to.equal(0);
    rows.rows.clear();
    expect(await eviction.freeSpace('memory', 5)).to.equal(0);
    sinon.assert.notCalled(reapSoon);
  });
});
