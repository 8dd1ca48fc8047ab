import type {
  Database,
  KubernetesWorkerOptions,
  PodOptions,
  S3Credentials,
  S3StoreOptions,
  StoresOptions,
} from '../../index.ts';
import { checkedByLibrary } from './checked-by-library.ts';
import type { ServiceConfig } from './config.ts';
import { ConfigError } from './config-error.ts';
import { hasPassword, withPassword } from './database-url.ts';
import type { LoadedConfig } from './load-config.ts';
import type { Origins } from './origin.ts';
import { readSecretFile } from './secret-file.ts';
import type { S3Section } from './sections/stores.ts';

/** What the options have beside the configuration. */
export interface WorkerExtras
  extends Pick<
    KubernetesWorkerOptions,
    'signal' | 'mask' | 'logger' | 'clock' | 'kubeConfig' | 'migrate' | 'register'
  > {
  /** Used instead of the database of the configuration. */
  readonly database?: Database | undefined;
  /** Whether the worker sends heartbeats and reaps periodically. @defaultValue false */
  readonly loops?: boolean | undefined;
  /** Receives each secret that is read, so that a log can leave it out. */
  readonly onSecret?: ((secret: string) => void) | undefined;
}

/** Reads the secret of a key from its file. */
type ReadSecret = (key: string, file: string) => Promise<string>;

/**
 * Returns the options of the worker. Reads the files with secrets.
 *
 * @throws ConfigError if a file with a secret cannot be read, if there is no database, or if the library
 *   refuses an option; it names the key
 */
export async function workerOptionsOf(
  config: ServiceConfig,
  { onSecret = () => {}, ...extras }: WorkerExtras = {},
): Promise<KubernetesWorkerOptions> {
  const readSecret: ReadSecret = async (key, file) => {
    const secret = await readSecretFile(key, file);
    onSecret(secret);
    return secret;
  };
  const database = extras.database ?? (await databaseOf(config, readSecret, onSecret));
  const options = plainOptionsOf(config, { ...extras, database });
  const { s3 } = config.stores;
  if (s3 === undefined) return checkedByLibrary(options);
  const stores = { ...options.stores, s3: await s3OptionsOf(s3, readSecret) };
  return checkedByLibrary({ ...options, stores });
}

/**
 * Checks what the library checks, without the files with secrets.
 *
 * @throws ConfigError if there is no database, or if the library refuses an option; it names the key
 */
export async function checkWorkerConfig({ config, origins }: LoadedConfig): Promise<void> {
  try {
    requireDatabase(config);
    await checkedByLibrary(plainOptionsOf(config, { database: 'postgres://checked-when-it-is-opened/' }));
  } catch (error) {
    throw error instanceof ConfigError ? withOrigins(error, origins) : error;
  }
}

/** Returns the error with the sources of the values, each by the key that contains the field. */
function withOrigins({ issues }: ConfigError, origins: Origins): ConfigError {
  const keyOf = (path: string): string =>
    Object.keys(origins).find((key) => path === key || path.startsWith(`${key}.`) || path.startsWith(`${key}[`)) ?? '';
  return new ConfigError(issues.map((issue) => ({ ...issue, origin: origins[keyOf(issue.path)] })));
}

/** Returns the options without what is in files. */
function plainOptionsOf(
  config: ServiceConfig,
  { database, loops = false, ...extras }: Omit<WorkerExtras, 'onSecret'> & { readonly database: Database },
): KubernetesWorkerOptions {
  const { worker, limits, caches, retention } = config;
  const { timeToLiveMs: cacheTimeToLiveMs, ...cacheLimits } = caches;
  const { finishedOwnerTtlMs, ...kept } = retention;
  const { kubeconfig, ...ofWorker } = worker;
  return {
    ...ofWorker,
    ...limits,
    kubeConfig: kubeconfig,
    transfers: config.transfers,
    artifactTimeToLiveMs: config.artifacts.timeToLiveMs,
    cacheTimeToLiveMs,
    caches: cacheLimits,
    finishedOwnerTtlMs,
    retention: kept,
    stores: storesOf(config),
    // The library checks the objects of Kubernetes.
    pods: config.pods as PodOptions,
    images: config.images,
    migrate: config.database.migrate,
    ...(loops && { reapEveryMs: config.reaper.everyMs, heartbeatEveryMs: config.registrar.heartbeatEveryMs }),
    ...withoutUndefined(extras),
    database,
  };
}

function withoutUndefined<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}

function storesOf({ stores: { pvc, s3, ...choice } }: ServiceConfig): StoresOptions {
  return {
    ...choice,
    ...(pvc !== undefined && { pvc }),
    ...(s3 !== undefined && { s3: plainS3OptionsOf(s3) }),
  };
}

function plainS3OptionsOf(s3: S3Section): S3StoreOptions {
  const { accessKeyIdFile: _id, secretAccessKeyFile: _secret, sessionTokenFile: _token, caFile: _ca, ...options } = s3;
  return options;
}

async function s3OptionsOf(s3: S3Section, readSecret: ReadSecret): Promise<S3StoreOptions> {
  const { accessKeyIdFile, secretAccessKeyFile, sessionTokenFile, caFile } = s3;
  const ca = caFile === undefined ? undefined : await readSecretFile('stores.s3.caFile', caFile);
  const options = { ...plainS3OptionsOf(s3), ...(ca !== undefined && { ca }) };
  if (accessKeyIdFile === undefined || secretAccessKeyFile === undefined) return options;
  const credentials = async (): Promise<S3Credentials> => ({
    accessKeyId: await readSecret('stores.s3.accessKeyIdFile', accessKeyIdFile),
    secretAccessKey: await readSecret('stores.s3.secretAccessKeyFile', secretAccessKeyFile),
    ...(sessionTokenFile !== undefined && {
      sessionToken: await readSecret('stores.s3.sessionTokenFile', sessionTokenFile),
    }),
  });
  // A missing file is reported now, and not by the first step. The library reads again when the server
  // refuses the keys.
  await credentials();
  return { ...options, credentials };
}

/**
 * Returns the URL, or a function that reads its files.
 *
 * @throws ConfigError if there is no database, or if a file cannot be read
 */
async function databaseOf(
  config: ServiceConfig,
  readSecret: ReadSecret,
  onSecret: (secret: string) => void,
): Promise<Database> {
  requireDatabase(config);
  const { url, passwordFile } = config.database;
  const read = async (): Promise<string> => {
    const whole = await databaseUrlOf(config, readSecret);
    onSecret(whole);
    return whole;
  };
  // A missing file is reported now. The library reads again when no connection can be opened.
  const whole = await read();
  return url !== undefined && passwordFile === undefined ? whole : read;
}

/** @throws ConfigError if a file cannot be read */
async function databaseUrlOf({ database }: ServiceConfig, readSecret: ReadSecret): Promise<string> {
  const { url, urlFile = '', passwordFile } = database;
  const whole = url ?? (await readSecret('database.urlFile', urlFile));
  if (passwordFile === undefined) return whole;
  if (hasPassword(whole))
    throw new ConfigError([
      { path: 'database.passwordFile', problem: 'cannot be combined with a password in the URL of database.urlFile' },
    ]);
  return withPassword(whole, await readSecret('database.passwordFile', passwordFile));
}

/** @throws ConfigError if there is no database */
function requireDatabase({ database: { url, urlFile } }: ServiceConfig): void {
  if (url !== undefined || urlFile !== undefined) return;
  throw new ConfigError([
    {
      path: 'database.url',
      problem: 'is missing: set database.url or database.urlFile in the file, or the variable KW_DATABASE_URL',
    },
  ]);
}
