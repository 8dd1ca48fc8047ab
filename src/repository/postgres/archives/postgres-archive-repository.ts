import { LeaseLostError, RepositoryUnavailableError } from '../../../errors/repository.ts';
import { WorkerNotRunningError } from '../../../errors/worker.ts';
import type { AbortOptions } from '../../../runtime/options.ts';
import type { ReapableArchive } from '../../../runtime/reap-plan.ts';
import type {
  ArchivedVolume,
  ArchiveLease,
  ArchiveRecord,
  ArchiveRepository,
  BegunArchive,
  NewArchive,
} from '../../archive-repository.ts';
import { checkText } from '../../field-checks.ts';
import type { ArchiveContent, ArchiveReference, RawContent, VolumeRecord } from '../../records.ts';
import type { NewArtifactVolume } from '../../volume-repository.ts';
import type { StatementRunner } from '../connection/statement-runner.ts';
import { checkCount, checkDuration, checkLimit } from '../input.ts';
import { jsonText, parse, toVolume } from '../rows.ts';
import type { StatementBuilder } from '../tables.ts';
import { checkArtifact } from '../volumes/insert-artifact.ts';
import {
  attemptOf,
  checkContent,
  checkId,
  checkLease,
  checkNames,
  checkNewArchive,
  checkRawContent,
  possibleIds,
} from './archive-input.ts';
import { selectArchiveOf } from './archive-of-content.ts';
import { toArchive } from './archive-rows.ts';
import { abandonArchive, beginArchive, beginNextAttempt, extendArchiveLease } from './begin-archive.ts';
import { deleteAllArchives, moveDueArchives, selectDestroyableArchives } from './destroyable-archives.ts';
import { chooseEvictable, evictArchives } from './evict-archives.ts';
import { selectReapableArchives } from './reapable-archives.ts';
import { commitArchive, insertSealed, referToArchive } from './refer-archive.ts';
import { touchArchives } from './touch-archives.ts';
import { markVolumesUnsaved } from './unsaved-volumes.ts';

/**
 * How often `begin` is tried. At each failure, another archive with the purpose was inserted
 * concurrently.
 */
const beginRounds = 10;

/** Why the reaper deletes an archive in this state. */
const reapReasons = { creating: 'abandoned', ready: 'unreferenced', destroying: 'marked' } as const;

/**
 * Archives in PostgreSQL. Every method is one statement, with these exceptions: the second
 * statement of `findDestroyable` and of `evict` sees what the first one has ordered, and after a
 * `begin` that meets another one with its purpose, or an insert that finds no row, a second statement
 * reads why.
 */
export class PostgresArchiveRepository implements ArchiveRepository {
  readonly #runner: StatementRunner;
  readonly #statements: StatementBuilder;

  constructor(runner: StatementRunner, statements: StatementBuilder) {
    this.#runner = runner;
    this.#statements = statements;
  }

  async begin(archive: NewArchive, options: AbortOptions = {}): Promise<BegunArchive> {
    checkNewArchive(archive);
    const statement = beginArchive(this.#statements, archive);
    for (let round = 1; round <= beginRounds; round += 1) {
      const begun = await this.#runner.first(statement, options);
      if (begun === undefined) continue;
      const { holds, ...row } = parse(begun.row);
      return { archive: toArchive(row), holds };
    }
    throw new RepositoryUnavailableError(
      `another host inserted an archive for the same purpose ${beginRounds} times in a row: try again`,
    );
  }

  async nextAttempt(id: string, lease: ArchiveLease, options: AbortOptions = {}): Promise<ArchiveRecord> {
    checkId(id);
    checkLease(lease);
    const begun = await this.#runner.first(beginNextAttempt(this.#statements, id, lease), options);
    if (begun === undefined) throw new LeaseLostError(id);
    return toArchive(parse(begun.row));
  }

  async renewLease(id: string, lease: ArchiveLease, options: AbortOptions = {}): Promise<boolean> {
    checkId(id);
    checkLease(lease);
    return (await this.#runner.first(extendArchiveLease(this.#statements, id, lease), options)) !== undefined;
  }

  async commit(
    id: string,
    holder: string,
    content: ArchiveContent & { readonly key: string },
    volume: ArchivedVolume | undefined,
    options: AbortOptions = {},
  ): Promise<boolean> {
    checkId(id);
    checkText('holder', holder, 253);
    checkContent(content);
    if (volume !== undefined) checkVolume(volume);
    const attempt = { holder, attempt: attemptOf(id, content.key), content };
    const done = await this.#runner.first(commitArchive(this.#statements, id, attempt, volume), options);
    if (done?.used !== 'true') throw new LeaseLostError(id);
    return done.referred === 'true';
  }

  async abandon(id: string, holder: string, options: AbortOptions = {}): Promise<void> {
    checkId(id);
    checkText('holder', holder, 253);
    await this.#runner.first(abandonArchive(this.#statements, id, holder), options);
  }

  async refer(id: string, volume: ArchivedVolume, options: AbortOptions = {}): Promise<boolean> {
    checkId(id);
    checkVolume(volume);
    const done = await this.#runner.first(referToArchive(this.#statements, id, volume), options);
    return done?.referred === 'true';
  }

  async insertArtifact(
    volume: Omit<NewArtifactVolume, 'leaseMs'>,
    archiveId: string | undefined,
    options: AbortOptions = {},
  ): Promise<VolumeRecord | undefined> {
    checkArtifact(volume);
    if (archiveId !== undefined) checkId(archiveId);
    const inserted = await this.#runner.first(insertSealed(this.#statements, volume, archiveId), options);
    if (inserted !== undefined) return toVolume(parse(inserted.row), undefined);
    await this.#checkAccepting(volume.workerName, archiveId, options);
    return undefined;
  }

  async markUnsaved(handles: readonly string[], options: AbortOptions = {}): Promise<void> {
    checkNames('handles', handles);
    if (handles.length > 0) await this.#runner.rows(markVolumesUnsaved(this.#statements, handles), options);
  }

  async touch(ids: readonly string[], options: AbortOptions = {}): Promise<void> {
    const possible = possibleIds(ids);
    if (possible.length > 0) await this.#runner.rows(touchArchives(this.#statements, possible), options);
  }

  async findContent(
    workerName: string,
    store: string,
    content: RawContent,
    options: AbortOptions = {},
  ): Promise<ArchiveReference | undefined> {
    checkText('workerName', workerName, 253);
    checkText('store', store, 253);
    checkRawContent(content);
    const found = await this.#runner.first(selectArchiveOf(this.#statements, workerName, store, content), options);
    return found === undefined ? undefined : toArchive(parse(found.row)).reference;
  }

  async lookup(ids: readonly string[], options: AbortOptions = {}): Promise<readonly ArchiveRecord[]> {
    const possible = possibleIds(ids);
    if (possible.length === 0) return [];
    const rows = await this.#runner.rows(
      this.#statements
        .selectFrom('archives')
        .select((eb) => jsonText(eb.fn.toJson('archives')).as('row'))
        .where('id', 'in', possible),
      options,
    );
    return rows.map(({ row }) => toArchive(parse(row)));
  }

  async findDestroyable(
    workerName: string,
    limit: number,
    { graceMs, ...options }: AbortOptions & { readonly graceMs: number },
  ): Promise<readonly ArchiveRecord[]> {
    checkLimit(limit);
    checkDuration('graceMs', graceMs);
    await this.#runner.rows(moveDueArchives(this.#statements, { workerName, limit, graceMs }), options);
    const rows = await this.#runner.rows(selectDestroyableArchives(this.#statements, { workerName, limit }), options);
    return rows.map(({ row }) => toArchive(parse(row)));
  }

  async findReapable(
    workerName: string,
    limit: number,
    { graceMs, ...options }: AbortOptions & { readonly graceMs: number },
  ): Promise<readonly ReapableArchive[]> {
    checkLimit(limit);
    checkDuration('graceMs', graceMs);
    const search = selectReapableArchives(this.#statements, { workerName, limit, graceMs });
    const rows = await this.#runner.rows(search, options);
    return rows.map(({ id, store, state }) => ({ id, store, reason: reapReasons[state] }));
  }

  async evict(
    workerName: string,
    store: string,
    bytes: number,
    options: AbortOptions = {},
  ): Promise<readonly ArchiveRecord[]> {
    checkText('workerName', workerName, 253);
    checkText('store', store, 253);
    checkCount('bytes', bytes);
    const chosen = await this.#runner.rows(chooseEvictable(this.#statements, { workerName, store, bytes }), options);
    if (chosen.length === 0) return [];
    // A second statement after the moves of caches, because only now it sees a stream that was
    // opened just before them.
    const ids = chosen.map(({ id }) => id);
    const rows = await this.#runner.rows(evictArchives(this.#statements, ids), options);
    return rows.map(({ row }) => toArchive(parse(row)));
  }

  async deleteAll(ids: readonly string[], options: AbortOptions = {}): Promise<readonly string[]> {
    const possible = possibleIds(ids);
    if (possible.length === 0) return [];
    return (await this.#runner.rows(deleteAllArchives(this.#statements, possible), options)).map(({ id }) => id);
  }

  /** @throws WorkerNotRunningError, RepositoryUnavailableError - unless the worker lacks only the archive */
  async #checkAccepting(workerName: string, archiveId: string | undefined, options: AbortOptions): Promise<void> {
    const row = await this.#runner.first(
      this.#statements.selectFrom('workers').select('state').where('name', '=', workerName),
      options,
    );
    if (row?.state !== 'running') throw new WorkerNotRunningError(workerName, row?.state ?? 'retired');
    if (archiveId === undefined)
      throw new RepositoryUnavailableError(`worker ${workerName} was resumed during the insert of a volume`);
  }
}

function checkVolume({ handle, replaces }: ArchivedVolume): void {
  checkText('volume.handle', handle, 253);
  if (replaces !== undefined) checkId(replaces);
}
