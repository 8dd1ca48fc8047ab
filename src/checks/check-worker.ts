import type { Cluster } from '../kubernetes/cluster.ts';
import { hermeticPermissions, type RequiredPermission } from '../kubernetes/required-permissions.ts';
import type { WorkerRepository } from '../repository/worker-repository.ts';
import type { WorkerStates } from '../repository/worker-states.ts';
import type { CheckFinding, CheckName, CheckOptions, CheckReport } from '../runtime/check.ts';
import type { AbortOptions, Clock } from '../runtime/options.ts';
import type { PodStore } from '../stores/pod-store.ts';
import { type ClockReading, checkClocks } from './check-clocks.ts';
import { type CheckedImage, imageFindings } from './check-images.ts';
import { checkPermissions } from './check-permissions.ts';
import { checkState } from './check-state.ts';
import { checkStores, type StoresToCheck } from './check-stores.ts';
import { failure, ok, skipped } from './finding.ts';

export interface CheckComponents {
  readonly workerName: string;
  readonly cluster: Cluster;
  /** The permissions in the namespace that the worker's options need. */
  readonly permissions: readonly RequiredPermission[];
  readonly workers: WorkerRepository;
  readonly states: Pick<WorkerStates, 'find'>;
  readonly store: Pick<PodStore, 'locate' | 'create' | 'delete' | 'rehearse'>;
  /** Returns the migrations that the schema lacks. */
  readonly missingMigrations: (options: AbortOptions) => Promise<readonly string[]>;
  /** Whether the name of the worker need not be registered. */
  readonly mayBeUnregistered: boolean;
  readonly archiveStores: StoresToCheck;
  /** Looks the images of the options up in their registries. */
  readonly examineImages: (options: AbortOptions) => Promise<readonly CheckedImage[]>;
  readonly hermetic: NetworkExamination;
  readonly newId: () => string;
  readonly clock: Clock;
}

/** Examines whether the cluster isolates hermetic pods. */
export interface NetworkExamination {
  /** Returns the finding. Rejects with the reason why hermetic containers are refused. */
  examine(options: AbortOptions): Promise<string>;
}

const order: readonly CheckName[] = [
  'api-server',
  'permissions',
  'pod-admission',
  'database',
  'schema',
  'worker-state',
  'clocks',
  'pod-start',
  'network-policy',
  'stores',
  'images',
];

/** Examines what a worker depends on. Rejects only with the signal's reason. */
export async function checkWorker(components: CheckComponents, options: CheckOptions = {}): Promise<CheckReport> {
  const readings: ClockReading[] = [];
  const [cluster, database, beside] = await Promise.all([
    checkCluster(components, readings, options),
    checkDatabase(components, readings, options),
    checkBeside(components, options),
  ]);
  const findings = [...cluster, ...database, ...beside, ...checkClocks(readings)].toSorted(
    (a, b) => order.indexOf(a.check) - order.indexOf(b.check),
  );
  return { ok: findings.every(({ outcome }) => outcome !== 'failure'), findings };
}

async function checkCluster(
  components: CheckComponents,
  readings: ClockReading[],
  { startPod = false, networkPolicy = false, signal }: CheckOptions,
): Promise<readonly CheckFinding[]> {
  const { cluster, store, hermetic, newId, clock } = components;
  const permissions = [...components.permissions, ...(networkPolicy ? hermeticPermissions : [])];
  const apiServer = await examine('api-server', { signal }, async () =>
    ok('api-server', `Kubernetes ${await cluster.serverVersion({ signal })} answers.`),
  );
  const checks: Partial<Record<CheckName, () => Promise<Findings>>> = {
    permissions: () => checkPermissions(cluster, permissions, { signal }),
    'pod-admission': async () => {
      await readClock('the API server', { readings, clock, time: () => store.rehearse(newId(), { signal }) });
      return ok('pod-admission', `Namespace ${cluster.namespace} accepts a pod.`);
    },
    ...(startPod ? { 'pod-start': () => startOnePod(components, { signal }) } : {}),
    ...(networkPolicy
      ? { 'network-policy': async () => ok('network-policy', await hermetic.examine({ signal })) }
      : {}),
  };
  const isUp = isOk(apiServer);
  const others = Object.entries(checks).map(async ([name, work]) => {
    const check = name as CheckName;
    return isUp ? await examine(check, { signal }, work) : [skipped(check, 'The API server does not answer.')];
  });
  return [apiServer, ...(await Promise.all(others))].flat();
}

async function checkDatabase(
  { workerName, workers, states, missingMigrations, mayBeUnregistered, clock }: CheckComponents,
  readings: ClockReading[],
  { signal }: AbortOptions,
): Promise<readonly CheckFinding[]> {
  const database = await examine('database', { signal }, async () => {
    await readClock('the database', { readings, clock, time: () => workers.time({ signal }) });
    return ok('database', 'The database answers.');
  });
  if (!isOk(database)) return [...database, skipped('schema', 'The database does not answer.')];
  const schema = await examine('schema', { signal }, async () => checkSchema(await missingMigrations({ signal })));
  if (!isOk(schema)) return [...database, ...schema];
  const state = await examine('worker-state', { signal }, async () => {
    const worker = await states.find(workerName, { signal });
    if (worker === undefined && mayBeUnregistered)
      return ok('worker-state', `Worker ${workerName} is not registered yet. The first host that opens it does so.`);
    return checkState(workerName, worker);
  });
  return [...database, ...schema, ...state];
}

function checkSchema(missing: readonly string[]): CheckFinding {
  if (missing.length === 0) return ok('schema', 'The schema has all migrations.');
  const advice = 'Migrate the database: `kubernetes-worker migrate`, `migrateDatabase()`, or `migrate: true`.';
  const message = `The schema lacks ${missing.length} migrations, the first is ${missing[0]}.`;
  return { check: 'schema', outcome: 'failure', message, advice, error: undefined };
}

/** Examines what is neither in the cluster nor in the database. */
async function checkBeside(
  { archiveStores, examineImages }: CheckComponents,
  { stores = false, images = false, signal }: CheckOptions,
): Promise<readonly CheckFinding[]> {
  const findings = await Promise.all([
    stores ? checkStores(archiveStores, { signal }) : [],
    images ? examine('images', { signal }, async () => imageFindings(await examineImages({ signal }))) : [],
  ]);
  return findings.flat();
}

function isOk(findings: readonly CheckFinding[]): boolean {
  return findings.every(({ outcome }) => outcome === 'ok');
}

async function startOnePod({ store, newId, clock }: CheckComponents, { signal }: AbortOptions): Promise<CheckFinding> {
  const handle = newId();
  const location = store.locate(handle);
  const startedAt = clock.now();
  try {
    await store.create(handle, location, { signal });
    return ok('pod-start', `A pod started and answered after ${((clock.now() - startedAt) / 1000).toFixed(1)} s.`);
  } finally {
    // Without the signal: a pod that has no row must not stay.
    await store.delete(location);
  }
}

type Findings = CheckFinding | readonly CheckFinding[];

/** Runs a check. Returns a failure where it throws. */
async function examine(
  check: CheckName,
  { signal }: AbortOptions,
  work: () => Promise<Findings>,
): Promise<readonly CheckFinding[]> {
  try {
    return [await work()].flat();
  } catch (error) {
    signal?.throwIfAborted();
    return [failure(check, error)];
  }
}

interface ClockToRead {
  readonly readings: ClockReading[];
  readonly clock: Clock;
  readonly time: () => Promise<Date | undefined>;
}

async function readClock(name: string, { readings, clock, time }: ClockToRead): Promise<void> {
  const before = clock.now();
  const at = await time();
  if (at !== undefined) readings.push({ name, at, before, after: clock.now() });
}
