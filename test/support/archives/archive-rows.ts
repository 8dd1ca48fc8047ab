import { archiveKey } from '../../../src/archives/archive-key.ts';
import type { ArchiveRecord, ArchiveState } from '../../../src/repository/archive-repository.ts';
import type { AbortOptions } from '../../../src/runtime/options.ts';

export const installationId = 'installation';

/** Returns the ID of the archive with this number. */
export function archiveId(number: number): string {
  return `${number.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`;
}

/** Returns the key of an attempt to write the archive with this number. */
export function keyOf(number: number, attempt = 1): string {
  return archiveKey(installationId, archiveId(number), attempt);
}

/** Rows of archives in memory. Every call is recorded with the database's state at its beginning. */
export class ArchiveRows {
  readonly rows = new Map<string, ArchiveRecord>();
  /** Called before each statement. What it throws is the database's error. */
  fault: (statement: string) => void = () => {};

  /** Adds a row. One that was `ready` has the key of its last attempt. */
  add(number: number, state: ArchiveState, { attempt = 1, store = 'memory', storedBytes = 10 } = {}): ArchiveRecord {
    const id = archiveId(number);
    const key = keyOf(number, attempt);
    const digests = { digest: 'a'.repeat(64), storedDigest: 'b'.repeat(64) };
    const reference = { id, store, key, rawBytes: storedBytes, storedBytes, ...digests };
    const row: ArchiveRecord = {
      id,
      workerName: 'w',
      store,
      state,
      attempt,
      reference: state === 'creating' ? undefined : reference,
      lastUsedAt: new Date(0),
    };
    this.rows.set(id, row);
    return row;
  }

  async findDestroyable(_worker: string, limit: number): Promise<readonly ArchiveRecord[]> {
    this.fault('findDestroyable');
    return [...this.rows.values()].filter(({ state }) => state === 'destroying').slice(0, limit);
  }

  async findReapable(): Promise<readonly { id: string; store: string; reason: 'marked' }[]> {
    this.fault('findReapable');
    const found = [...this.rows.values()].filter(({ state }) => state === 'destroying');
    return found.map(({ id, store }) => ({ id, store, reason: 'marked' }));
  }

  async deleteAll(ids: readonly string[]): Promise<readonly string[]> {
    this.fault('deleteAll');
    const deleted = ids.filter((id) => this.rows.get(id)?.state === 'destroying');
    for (const id of deleted) this.rows.delete(id);
    return deleted;
  }

  async lookup(ids: readonly string[], { signal }: AbortOptions = {}): Promise<readonly ArchiveRecord[]> {
    signal?.throwIfAborted();
    this.fault('lookup');
    return ids.flatMap((id) => this.rows.get(id) ?? []);
  }

  /** Marks ready archives of the store until they free the bytes, in the order of their insertion. */
  async evict(_worker: string, store: string, bytes: number): Promise<readonly ArchiveRecord[]> {
    this.fault('evict');
    const marked: ArchiveRecord[] = [];
    let freed = 0;
    for (const row of this.rows.values()) {
      if (freed >= bytes) break;
      if (row.state !== 'ready' || row.store !== store) continue;
      freed += row.reference?.storedBytes ?? 0;
      marked.push({ ...row, state: 'destroying' });
    }
    for (const row of marked) this.rows.set(row.id, row);
    return marked;
  }
}
