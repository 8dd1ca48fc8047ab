import type { Lease, NewContainer, NewContainerVolume } from '../../../src/repository/container-repository.ts';
import type { Repository } from '../../../src/repository/repository.ts';
import type { NewArtifactVolume } from '../../../src/repository/volume-repository.ts';
import type { ContainerOwner } from '../../../src/runtime/container.ts';
import { schemaOf } from '../../support/database/postgres.ts';

/** A database on which a test opens repositories. */
export interface TestDatabase {
  /** Opens a repository. It has its own connections if the database has connections. */
  open(schema: string): Promise<Repository>;
  /** Runs plain SQL without the repository. */
  query(text: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  stop(): Promise<void>;
}

/** All tables that a test fills. Each comes before those that it refers to. */
const tables = [
  'caches',
  'container_properties',
  'hijacks',
  'processes',
  'volume_streams',
  'invalid_cache_origins',
  'volumes',
  'containers',
  'archives',
  'finished_owners',
  'reservations',
  'workers',
] as const;

/**
 * Two repositories on one schema, for two hosts. Every test gets new ones on empty tables. The schema
 * is migrated once, and again after a failed test, which leaves its own for inspection.
 */
export class RepositoryUnderTest {
  first!: Repository;
  second!: Repository;
  #database!: TestDatabase;
  #schema: string | undefined;

  /** Registers its hooks in the calling suite. */
  static use(start: () => Promise<TestDatabase>): RepositoryUnderTest {
    const world = new RepositoryUnderTest();
    before(async () => {
      world.#database = await start();
    });
    beforeEach(async function () {
      await world.#open(this.currentTest!.fullTitle());
    });
    afterEach(async function () {
      await world.#close(this.currentTest!.isPassed());
    });
    after(async () => {
      if (world.#schema !== undefined) await world.query(`drop schema "${world.#schema}" cascade`);
      await world.#database.stop();
    });
    return world;
  }

  /** Returns the qualified name of a table. */
  table(name: string): string {
    return `"${this.#schema!}"."${name}"`;
  }

  async query(text: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    return await this.#database.query(text);
  }

  /** Returns the number of rows in a table. */
  async count(table: string): Promise<number> {
    const [row] = await this.query(`select count(*)::int as count from ${this.table(table)}`);
    return row!['count'] as number;
  }

  /** Makes all leases lapse, by the database's clock. */
  async lapseLeases(): Promise<void> {
    for (const table of ['archives', 'containers', 'volumes']) {
      await this.query(
        `update ${this.table(table)} set lease_until = now() - interval '1 millisecond' where lease_until is not null`,
      );
    }
  }

  async #open(title: string): Promise<void> {
    const schema = this.#schema ?? schemaOf(title);
    if (this.#schema === undefined) await this.query(`drop schema if exists "${schema}" cascade`);
    this.#schema = schema;
    this.first = await this.#database.open(schema);
    this.second = await this.#database.open(schema);
    // Sooner done than a truncation, which makes new files for tables that hold a few rows.
    await this.query(`do $$ begin ${tables.map((name) => `delete from ${this.table(name)};`).join(' ')} end $$`);
    await this.first.workers.register('worker');
  }

  async #close(passed: boolean): Promise<void> {
    await this.first.close();
    await this.second.close();
    if (!passed) this.#schema = undefined;
  }
}

export function ownerOf(key: string): ContainerOwner {
  return { kind: 'build-step', key };
}

/** A lease that outlasts every test. */
export function leaseOf(holder: string): Lease {
  return { holder, durationMs: 600_000 };
}

export function volumeOf(handle: string, mountPath: string): NewContainerVolume {
  return { handle, kind: 'input', mountPath, name: undefined, store: 'pod', location: { path: mountPath } };
}

export function containerOf(
  handle: string,
  owner: ContainerOwner,
  volumes: readonly NewContainerVolume[] = [],
): NewContainer {
  return {
    handle,
    workerName: 'worker',
    owner,
    podName: `pod-${handle}`,
    metadata: { type: 'task' },
    settings: { dir: '/work' },
    volumes,
  };
}

export function artifactOf(handle: string): NewArtifactVolume {
  return {
    handle,
    workerName: 'worker',
    teamId: 'team',
    store: 'pod',
    location: { pod: `pod-${handle}` },
    timeToLiveMs: 600_000,
    leaseMs: 600_000,
  };
}

/** Inserts a container with two volumes for an owner of the same name. */
export async function insert(repository: Repository, handle: string): Promise<void> {
  const owner = ownerOf(handle);
  const volumes = [volumeOf(`${handle}-source`, '/work/source'), volumeOf(`${handle}-result`, '/work/result')];
  await repository.containers.findOrInsert('worker', owner, leaseOf('holder'), () =>
    containerOf(handle, owner, volumes),
  );
}

/** Resolves with the error of a rejected promise. Rejects if the promise resolves. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ('error' in outcome && outcome.error instanceof Error) return outcome.error;
  throw new Error('it did not reject with an error', { cause: outcome });
}
