import type { RawBuilder } from 'kysely';
import { sql } from 'kysely';

/** The schema of the library's own; another one only in tests. */
export const defaultSchema = 'kubernetes_worker';

/** Qualified names of the tables, to be put into statements. Nothing depends on the connection's search path. */
export interface Tables {
  readonly installation: RawBuilder<unknown>;
  readonly workers: RawBuilder<unknown>;
  readonly containers: RawBuilder<unknown>;
  readonly containerProperties: RawBuilder<unknown>;
  readonly processes: RawBuilder<unknown>;
  readonly hijacks: RawBuilder<unknown>;
  readonly volumes: RawBuilder<unknown>;
}

export function tablesOf(schema: string): Tables {
  return {
    installation: sql.id(schema, 'installation'),
    workers: sql.id(schema, 'workers'),
    containers: sql.id(schema, 'containers'),
    containerProperties: sql.id(schema, 'container_properties'),
    processes: sql.id(schema, 'processes'),
    hijacks: sql.id(schema, 'hijacks'),
    volumes: sql.id(schema, 'volumes'),
  };
}

/** A moment, so many milliseconds from now by the database's clock. */
export function fromNow(durationMs: number): RawBuilder<Date> {
  return sql`(now() + ${durationMs}::float8 * interval '1 millisecond')`;
}
