import type { PGlite } from '@electric-sql/pglite';
import { Pool } from 'pg';

import type { DatabasePool, DatabaseResult } from '../../../../src/repository/postgres/connection/database.ts';
import { newPGlite } from '../../../support/database/pglite.ts';
import type { Gate } from './gate.ts';
import { emptySnapshot, type Snapshot, snapshotQuery } from './snapshot.ts';

/** What runs statements: PGlite, or a server. */
interface Engine {
  query(text: string, values: unknown[]): Promise<DatabaseResult>;
  close(): Promise<void>;
  /** Statements that define `model.now()`. */
  readonly clock: readonly string[];
  /** Sets the time that `model.now()` returns. */
  readonly setTime: string;
}

/** The one session of PGlite has the time, which is fast. */
const sessionClock = {
  clock: [
    `create function model.now() returns timestamptz language sql stable
       as $$ select current_setting('model.now')::timestamptz $$`,
  ],
  setTime: "select set_config('model.now', $1, false)",
};
/** All connections of a server have the same time. */
const sharedClock = {
  clock: [
    "create table model.clock as select '2030-01-01'::timestamptz as at",
    "create function model.now() returns timestamptz language sql stable as 'select at from model.clock'",
  ],
  setTime: 'update model.clock set at = $1',
};

/** The first time of every world, in milliseconds since the epoch. */
export const startOfTime: number = Date.UTC(2030, 0, 1);

/** A pool whose statements wait at a gate. */
export interface GatedPool extends DatabasePool {
  gated: boolean;
}

// Statements find this schema before `pg_catalog`, so that `now()` is the time of the model, also as
// the default of a column.
const searchPath = 'model, pg_catalog, public';
const tables = [
  ...['containers', 'volumes', 'processes', 'hijacks', 'finished_owners', 'container_properties', 'workers'],
  ...['volume_streams', 'caches', 'invalid_cache_origins', 'archives', 'reservations'],
];

/** A database whose time the model moves, and which may be unreachable or a standby. */
export class ModelDatabase {
  readonly #engine: Engine;
  state: 'primary' | 'standby' = 'primary';
  #now = startOfTime;
  #isSet = false;

  private constructor(engine: Engine) {
    this.#engine = engine;
  }

  static async inProcess(): Promise<ModelDatabase> {
    const pglite = await newPGlite();
    const database = new ModelDatabase({
      query: runIn(pglite),
      close: async () => await pglite.close(),
      ...sessionClock,
    });
    await database.#prepare();
    return database;
  }

  /** A database of its own on a server. */
  static async onServer(url: string): Promise<ModelDatabase> {
    const name = `model_${process.pid}`;
    const admin = new Pool({ connectionString: url, max: 1 });
    await admin.query(`drop database if exists ${name} with (force)`);
    await admin.query(`create database ${name}`);
    const pool = new Pool({
      connectionString: url.replace(/\/[^/?]*(\?|$)/, `/${name}$1`),
      options: `-c search_path=${searchPath.replaceAll(' ', '')}`,
    });
    const close = async (): Promise<void> => {
      await pool.end();
      await admin.query(`drop database if exists ${name} with (force)`);
      await admin.end();
    };
    const database = new ModelDatabase({
      query: async (text, values) => await pool.query(text, values),
      close,
      ...sharedClock,
    });
    await database.#prepare();
    return database;
  }

  /** A pool for one incarnation of a replica. Its statements wait at the gate once it is `gated`. */
  poolOf(caller: string, gate: Gate): GatedPool {
    const pool: GatedPool = {
      gated: false,
      connect: async () => ({ query: pass, release: () => undefined }),
    };
    const pass = async (text: string, values: unknown[]): Promise<DatabaseResult> => {
      if (!pool.gated) return await this.#engine.query(text, values);
      return await gate.pass({
        caller,
        kind: 'statement',
        name: `${caller} ${nameOf(text)}`,
        effect: () => this.#statement(text, values),
        failure: () => new Error('the connection was terminated'),
      });
    };
    return pool;
  }

  /** A pool without a gate, for migrations. */
  get ungated(): DatabasePool {
    return { connect: async () => ({ query: this.#engine.query, release: () => undefined }) };
  }

  /** The database's time, in milliseconds since the epoch. */
  get now(): number {
    return this.#now;
  }

  /** Moves the database's time on. The next statement has the new time. */
  advance(byMs: number): void {
    this.#now += byMs;
    this.#isSet = false;
  }

  async snapshot(): Promise<Snapshot> {
    await this.#setTime();
    const { rows } = await this.#engine.query(snapshotQuery, []);
    const [row] = rows as readonly { readonly snapshot: string }[];
    return row === undefined ? emptySnapshot : (JSON.parse(row.snapshot) as Snapshot);
  }

  /** Deletes all rows, and sets the time back. */
  async reset(): Promise<void> {
    this.state = 'primary';
    this.#now = startOfTime;
    this.#isSet = false;
    await this.#setTime();
    await this.#engine.query(`truncate ${tables.map((table) => `kubernetes_worker.${table}`).join()} cascade`, []);
  }

  async close(): Promise<void> {
    await this.#engine.close();
  }

  async #prepare(): Promise<void> {
    await this.#engine.query(`set search_path = ${searchPath}`, []);
    for (const statement of ['create schema model', ...this.#engine.clock]) await this.#engine.query(statement, []);
    await this.#setTime();
  }

  async #statement(text: string, values: unknown[]): Promise<DatabaseResult> {
    const refusal = { severity: 'ERROR', code: '25006' };
    if (this.state === 'standby' && (/\b(insert into|update|delete from) "/.test(text) || isAboutStandby(text)))
      throw Object.assign(new Error('cannot execute this statement on a standby'), refusal);
    await this.#setTime();
    return await this.#engine.query(text, values);
  }

  async #setTime(): Promise<void> {
    if (this.#isSet) return;
    this.#isSet = true;
    await this.#engine.query(this.#engine.setTime, [new Date(this.#now).toISOString()]);
  }
}

function runIn(pglite: PGlite): Engine['query'] {
  return async (text, values) => {
    const { rows } = await pglite.query(text, values);
    return { rows };
  };
}

/** The library itself refuses the answer of a standby to this statement. */
function isAboutStandby(text: string): boolean {
  return text.includes('pg_is_in_recovery');
}

/** A short name of a statement, for the list of steps. */
function nameOf(text: string): string {
  const verb = /\b(insert into|update|delete from) "kubernetes_worker"\."(\w+)"/.exec(text);
  return verb === null ? 'select' : `${verb[1] ?? ''} ${verb[2] ?? ''}`;
}
