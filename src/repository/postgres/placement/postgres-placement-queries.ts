import { InvalidSpecError } from '../../../errors/caller.ts';
import type { AbortOptions } from '../../../runtime/options.ts';
import type { LiveRows, PlacementQueries, VolumePlace } from '../../placement-queries.ts';
import type { StatementRunner } from '../connection/statement-runner.ts';
import { jsonText, parse, toVolume } from '../rows.ts';
import { created, liveStates, type StatementBuilder } from '../tables.ts';

const maxHandles = 1_000;

/** Queries about placement in PostgreSQL. */
export class PostgresPlacementQueries implements PlacementQueries {
  readonly #runner: StatementRunner;
  readonly #statements: StatementBuilder;

  constructor(runner: StatementRunner, statements: StatementBuilder) {
    this.#runner = runner;
    this.#statements = statements;
  }

  async countLive(workerName: string, options: AbortOptions = {}): Promise<LiveRows> {
    const row = await this.#runner.first(
      this.#statements.selectNoFrom((eb) =>
        (['containers', 'volumes'] as const).map((table) =>
          eb
            .cast<string>(
              eb
                .selectFrom(table)
                .select(eb.fn.countAll().as('count'))
                .where('worker_name', '=', workerName)
                .where('state', 'in', liveStates),
              'text',
            )
            .as(table),
        ),
      ),
      options,
    );
    return { containers: Number(row?.containers ?? 0), volumes: Number(row?.volumes ?? 0) };
  }

  async findPlaces(
    workerName: string,
    handles: readonly string[],
    options: AbortOptions = {},
  ): Promise<readonly VolumePlace[]> {
    if (handles.length > maxHandles)
      throw new InvalidSpecError('handles', `has ${handles.length} entries, more than ${maxHandles}`);
    if (handles.length === 0) return [];
    const rows = await this.#runner.rows(
      this.#statements
        .selectFrom('volumes')
        .leftJoin('containers', 'containers.id', 'volumes.container_id')
        .select((eb) => jsonText(eb.fn.toJson('volumes')).as('row'))
        .where('volumes.worker_name', '=', workerName)
        .where('volumes.handle', 'in', handles)
        .where('volumes.state', '=', created)
        .where((eb) => eb.or([eb('containers.id', 'is', null), eb('containers.state', '=', created)])),
      options,
    );
    return rows.map(({ row }) => {
      const { handle, store, location, sizeBytes, archive } = toVolume(parse(row), undefined);
      return { handle, store, location, sizeBytes, ...(archive === undefined ? {} : { archiveStore: archive.store }) };
    });
  }
}
