import pg from 'pg';

/**
 * The tables that have rows also when nothing is left: facts on the installation, not on containers
 * or volumes.
 */
const bookkeeping = ['installation', 'migrations', 'migrations_lock', 'workers'];

/** A container of a step, or the result of a command in it. */
export interface RecordedStep {
  readonly what: 'created' | 'ended' | 'unsaved';
  readonly step: string;
}

export interface RecordOptions {
  /** Whether to record results that were stored before each output of the container had an archive. */
  readonly recordsUnsaved: boolean;
}

/**
 * An append-only record, kept by triggers of the database, of each container in which a command may
 * run, and of each result of a command. It shows what no row shows at the end: a step that ran in
 * two containers.
 */
export class StepRecord {
  readonly #client: pg.Pool;

  private constructor(client: pg.Pool) {
    this.#client = client;
  }

  /** Begins the record on a database that the library has migrated. */
  static async begin(url: string, options: RecordOptions = { recordsUnsaved: false }): Promise<StepRecord> {
    const client = new pg.Pool({ connectionString: url, max: 1, idleTimeoutMillis: 1 });
    client.on('error', () => undefined);
    await client.query(`
      create table public.record (what text not null, step text not null);
      create function public.record_created() returns trigger language plpgsql as $$ begin
        insert into public.record values ('created', new.owner_key);
        return null;
      end $$;
      create function public.record_ended() returns trigger language plpgsql as $$ begin
        insert into public.record
        select 'ended', owner_key from kubernetes_worker.containers where id = new.container_id;
        insert into public.record
        select 'unsaved', owner_key from kubernetes_worker.containers c
        where ${options.recordsUnsaved} and c.id = new.container_id and exists (
          select from kubernetes_worker.volumes v
          where v.container_id = c.id and v.kind = 'output' and v.archive_id is null);
        return null;
      end $$;
      create trigger record_created after update of state on kubernetes_worker.containers
        for each row when (new.state = 'created' and old.state <> 'created')
        execute function public.record_created();
      create trigger record_ended after insert on kubernetes_worker.processes
        for each row execute function public.record_ended();`);
    return new StepRecord(client);
  }

  /** Returns the record, in alphabetical order. */
  async read(): Promise<readonly RecordedStep[]> {
    const { rows } = await this.#client.query<RecordedStep>(
      'select what, step from public.record order by what, step collate "C"',
    );
    return rows;
  }

  /** Returns the names of the tables of the library that still have rows. */
  async remaining(): Promise<readonly string[]> {
    const { rows } = await this.#client.query<{ name: string }>(
      `select table_name as name from information_schema.tables
       where table_schema = 'kubernetes_worker' and table_name <> all ($1) order by 1`,
      [bookkeeping],
    );
    const filled: string[] = [];
    for (const { name } of rows) {
      const found = await this.#client.query(`select from kubernetes_worker."${name}" limit 1`);
      if (found.rowCount !== 0) filled.push(name);
    }
    return filled;
  }

  async close(): Promise<void> {
    await this.#client.end();
  }
}
