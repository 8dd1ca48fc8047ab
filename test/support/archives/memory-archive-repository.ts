import { LeaseLostError } from '../../../src/errors/repository.ts';
import type {
  ArchivedVolume,
  ArchiveLease,
  ArchiveRecord,
  ArchiveRepository,
  BegunArchive,
  NewArchive,
} from '../../../src/repository/archive-repository.ts';
import type { ArchiveContent, ArchiveReference, RawContent } from '../../../src/repository/records.ts';
import type { Clock } from '../../../src/runtime/options.ts';

interface Row extends NewArchive {
  state: ArchiveRecord['state'];
  attempt: number;
  leaseEndsAt: number;
  holder: string;
  reference?: ArchiveReference;
}

/** The archives of one worker, and the references of volumes, in memory. */
export class MemoryArchiveRepository
  implements
    Pick<
      ArchiveRepository,
      'begin' | 'nextAttempt' | 'renewLease' | 'commit' | 'abandon' | 'refer' | 'touch' | 'findContent'
    >
{
  readonly rows = new Map<string, Row>();
  /** The archive of each volume, by the volume's handle. */
  readonly volumes = new Map<string, string | undefined>();
  readonly touched: string[] = [];
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async begin(archive: NewArchive): Promise<BegunArchive> {
    const { lease, purpose } = archive;
    const found = [...this.rows.values()].find(
      (row) => purpose !== undefined && row.purpose === purpose && row.state !== 'destroying',
    );
    if (found === undefined) {
      const row: Row = {
        ...archive,
        state: 'creating',
        attempt: 1,
        holder: lease.holder,
        leaseEndsAt: this.#end(lease),
      };
      this.rows.set(archive.id, row);
      return { archive: recordOf(row), holds: true };
    }
    if (found.state === 'ready' || found.leaseEndsAt > this.#clock.now())
      return { archive: recordOf(found), holds: false };
    found.attempt += 1;
    found.holder = lease.holder;
    found.leaseEndsAt = this.#end(lease);
    return { archive: recordOf(found), holds: true };
  }

  async nextAttempt(id: string, lease: ArchiveLease): Promise<ArchiveRecord> {
    const row = this.#held(id, lease.holder);
    row.attempt += 1;
    row.leaseEndsAt = this.#end(lease);
    return recordOf(row);
  }

  async renewLease(id: string, lease: ArchiveLease): Promise<boolean> {
    const row = this.rows.get(id);
    if (row?.state !== 'creating' || row.holder !== lease.holder) return false;
    row.leaseEndsAt = this.#end(lease);
    return true;
  }

  async commit(
    id: string,
    holder: string,
    content: ArchiveContent & { readonly key: string },
    volume: ArchivedVolume | undefined,
  ): Promise<boolean> {
    const row = this.#held(id, holder);
    row.state = 'ready';
    row.reference = { id, store: row.store, ...content };
    return volume !== undefined && this.#refer(id, volume);
  }

  async abandon(id: string, holder: string): Promise<void> {
    const row = this.rows.get(id);
    if (row?.state === 'creating' && row.holder === holder) row.state = 'destroying';
  }

  async refer(id: string, volume: ArchivedVolume): Promise<boolean> {
    return this.rows.get(id)?.state === 'ready' && this.#refer(id, volume);
  }

  async touch(ids: readonly string[]): Promise<void> {
    this.touched.push(...ids);
  }

  async findContent(
    workerName: string,
    store: string,
    { digest, rawBytes }: RawContent,
  ): Promise<ArchiveReference | undefined> {
    const found = [...this.rows.values()].find(
      ({ reference, ...row }) =>
        row.state === 'ready' &&
        row.workerName === workerName &&
        row.store === store &&
        reference?.digest === digest &&
        reference.rawBytes === rawBytes,
    );
    return found?.reference;
  }

  #refer(id: string, { handle, replaces }: ArchivedVolume): boolean {
    const current = this.volumes.get(handle);
    if (current !== replaces && current !== id) return false;
    this.volumes.set(handle, id);
    return true;
  }

  #held(id: string, holder: string): Row {
    const row = this.rows.get(id);
    if (row?.state !== 'creating' || row.holder !== holder) throw new LeaseLostError(id);
    return row;
  }

  #end({ durationMs }: ArchiveLease): number {
    return this.#clock.now() + durationMs;
  }
}

function recordOf({ id, workerName, store, state, attempt, reference }: Row): ArchiveRecord {
  return { id, workerName, store, state, attempt, reference, lastUsedAt: new Date(0) };
}
