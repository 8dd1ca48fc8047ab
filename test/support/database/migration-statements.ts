import { createHash } from 'node:crypto';

import {
  type CompiledQuery,
  type DatabaseConnection,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
} from 'kysely';

import { migrations } from '../../../src/repository/postgres/migrations/index.ts';

/** Keeps the statements that it receives, and runs none. */
class RecordingDriver extends DummyDriver {
  readonly statements: (readonly [sql: string, ...parameters: unknown[]])[] = [];

  override async acquireConnection(): Promise<DatabaseConnection> {
    return {
      executeQuery: async ({ sql, parameters }: CompiledQuery) => {
        this.statements.push([sql, ...parameters]);
        return { rows: [] };
      },
      streamQuery: () => {
        throw new TypeError('streaming is not supported');
      },
    };
  }
}

/** Returns the SHA-256 of the statements of each migration in the library's schema. */
export async function computedChecksums(): Promise<Readonly<Record<string, string>>> {
  const checksums: Record<string, string> = {};
  for (const [name, migration] of Object.entries(migrations)) {
    const driver = new RecordingDriver();
    const db = new Kysely<unknown>({
      dialect: {
        createDriver: () => driver,
        createAdapter: () => new PostgresAdapter(),
        createQueryCompiler: () => new PostgresQueryCompiler(),
        createIntrospector: (kysely) => new PostgresIntrospector(kysely),
      },
    });
    await migration.up(db.withSchema('kubernetes_worker'));
    checksums[name] = createHash('sha256').update(JSON.stringify(driver.statements)).digest('hex');
  }
  return checksums;
}
