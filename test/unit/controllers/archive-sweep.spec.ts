import { expect } from 'chai';
import sinon from 'sinon';

import { type ArchiveSweepContext, sweepArchives } from '../../../src/controllers/archive-sweep.ts';
import { StoreUnavailableError } from '../../../src/errors/store.ts';
import { ArchiveRows, archiveId, installationId, keyOf } from '../../support/archives/archive-rows.ts';
import { rejection } from '../../support/rejection.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { MemoryArchiveStore } from '../../support/stores/memory-archive-store.ts';

describe('sweepArchives', () => {
  let rows: ArchiveRows;
  let store: MemoryArchiveStore;
  let deletedKeys: string[];
  let fail: (key: string) => void | Promise<void>;

  beforeEach(() => {
    rows = new ArchiveRows();
    deletedKeys = [];
    fail = () => {};
    store = new MemoryArchiveStore({
      fault: async (call, key) => {
        expect(call).to.equal('delete');
        deletedKeys.push(key);
        await fail(key);
      },
    });
  });

  async function sweep(more: Partial<ArchiveSweepContext> = {}) {
    let deleted = 0;
    const failures: (Error & { code?: string })[] = [];
    const context = {
      signal: undefined,
      caller: {},
      failures,
      logger: silentLogger,
      deleted: (count: number) => void (deleted += count),
      ...more,
    };
    await sweepArchives(
      { workerName: 'w', installationId, archives: rows, stores: new Map([['memory', store]]) },
      context,
    );
    return { deleted, failures };
  }

  it('deletes the bytes of all attempts first, and the row last', async () => {
    rows.add(1, 'destroying', { attempt: 3 });
    rows.add(2, 'ready');
    const statements: string[] = [];
    rows.fault = (statement) => {
      if (statement === 'deleteAll') expect(deletedKeys).to.have.length(3);
      statements.push(statement);
    };
    expect(await sweep()).to.deep.equal({ deleted: 1, failures: [] });
    expect(deletedKeys.toSorted()).to.deep.equal([keyOf(1, 1), keyOf(1, 2), keyOf(1, 3)]);
    expect([...rows.rows.keys()]).to.deep.equal([archiveId(2)]);
    expect(statements).to.include('deleteAll');
  });

  it('deletes the committed key also if the key of its attempt has another form now', async () => {
    const row = rows.add(1, 'destroying');
    rows.rows.set(row.id, { ...row, reference: { ...row.reference!, key: 'older/form' } });
    await sweep();
    expect(deletedKeys).to.have.members(['older/form', keyOf(1)]);
  });

  it('finds archives that have had no reference for 10 minutes', async () => {
    const find = sinon.spy(rows, 'findDestroyable');
    await sweep();
    expect(find.firstCall.args).to.deep.include({ graceMs: 600_000, signal: undefined });
  });

  it('leaves the row of an archive whose bytes cannot be deleted, and deletes the others', async () => {
    for (const number of [1, 2, 3]) rows.add(number, 'destroying');
    fail = (key) => {
      if (key === keyOf(2)) throw new Error('refused');
    };
    const { deleted, failures } = await sweep();
    expect([deleted, failures.map(({ message }) => message)]).to.deep.equal([2, ['refused']]);
    expect([...rows.rows.keys()]).to.deep.equal([archiveId(2)]);
  });

  it('leaves the rows of a store that is not configured, with one failure that names it', async () => {
    for (const number of [1, 2]) rows.add(number, 'destroying', { store: 'bucket' });
    rows.add(3, 'destroying');
    const { deleted, failures } = await sweep();
    expect(deleted).to.equal(1);
    expect(failures).to.have.length(1);
    expect(failures[0]).to.include({ code: 'KW_ERR_STORE_NOT_CONFIGURED', store: 'bucket' });
    expect(rows.rows.size).to.equal(2);
  });

  it('sends few requests to a store that is unavailable', async () => {
    for (let number = 1; number <= 500; number += 1) rows.add(number, 'destroying');
    fail = (key) => {
      throw new StoreUnavailableError({ store: 'memory', key }, 'away');
    };
    const { deleted, failures } = await sweep();
    expect([deleted, failures.length, rows.rows.size]).to.deep.equal([0, 500, 500]);
    expect(deletedKeys.length).to.be.below(40);
  });

  it('runs at most 32 deletions at the same time', async () => {
    for (let number = 1; number <= 200; number += 1) rows.add(number, 'destroying');
    let [underWay, most] = [0, 0];
    fail = async () => {
      most = Math.max(most, (underWay += 1));
      await new Promise((resolve) => setImmediate(resolve));
      underWay -= 1;
    };
    expect(await sweep()).to.include({ deleted: 200 });
    expect(most).to.equal(32);
  });

  it('begins nothing after an abort, and rejects with its reason', async () => {
    rows.add(1, 'destroying');
    const signal = AbortSignal.abort(new Error('closing'));
    expect(await rejection(sweep({ signal }))).to.include({ message: 'closing' });
    expect(deletedKeys).to.deep.equal([]);
  });

  it('counts no row that another host has deleted', async () => {
    rows.add(1, 'destroying');
    fail = () => rows.rows.clear();
    expect(await sweep()).to.deep.equal({ deleted: 0, failures: [] });
  });
});
