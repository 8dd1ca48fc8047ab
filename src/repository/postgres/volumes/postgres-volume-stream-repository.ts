import type { AbortOptions } from '../../../runtime/options.ts';
import { checkText } from '../../field-checks.ts';
import type { VolumeStreamRepository } from '../../volume-stream-repository.ts';
import type { StatementRunner } from '../connection/statement-runner.ts';
import { checkDuration } from '../input.ts';
import type { StatementBuilder } from '../tables.ts';
import { holdVolumes, releaseVolumes } from './volume-streams.ts';

/** Open streams in PostgreSQL. Every method is one statement. */
export class PostgresVolumeStreamRepository implements VolumeStreamRepository {
  readonly #runner: StatementRunner;
  readonly #statements: StatementBuilder;

  constructor(runner: StatementRunner, statements: StatementBuilder) {
    this.#runner = runner;
    this.#statements = statements;
  }

  async hold(
    streamId: string,
    handles: readonly string[],
    durationMs: number,
    options: AbortOptions = {},
  ): Promise<number> {
    checkText('streamId', streamId, 253);
    checkDuration('durationMs', durationMs);
    if (handles.length === 0) return 0;
    const held = await this.#runner.first(holdVolumes(this.#statements, streamId, handles, durationMs), options);
    return Number(held?.count ?? 0);
  }

  async release(streamId: string, options: AbortOptions = {}): Promise<boolean> {
    checkText('streamId', streamId, 253);
    return (await this.#runner.first(releaseVolumes(this.#statements, streamId), options))?.awaited === 'true';
  }
}
