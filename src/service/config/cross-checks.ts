import type { ServiceConfig } from './config.ts';
import type { ConfigIssue } from './config-error.ts';
import { hasPassword } from './database-url.ts';
import { isLoopback } from './loopback.ts';
import type { Origins } from './origin.ts';

/** A contradiction between keys. The first path names the key to change. */
interface Contradiction {
  readonly path: string;
  readonly problem: string;
}

/** Returns the contradictions between the keys of a configuration. */
export function crossIssues(config: ServiceConfig, origins: Origins): readonly ConfigIssue[] {
  const found = [
    ...databaseContradictions(config, origins),
    ...retryContradictions(config),
    ...s3Contradictions(config),
    ...statusContradictions(config),
    ...telemetryContradictions(config),
  ];
  return found.map((contradiction) => ({ ...contradiction, origin: origins[contradiction.path] }));
}

function databaseContradictions({ database }: ServiceConfig, origins: Origins): readonly Contradiction[] {
  const { url, urlFile, passwordFile } = database;
  const found: Contradiction[] = [];
  if (url !== undefined && urlFile !== undefined)
    found.push({ path: 'database.urlFile', problem: 'cannot be combined with database.url' });
  if (url === undefined || !hasPassword(url)) return found;
  if (passwordFile !== undefined)
    found.push({ path: 'database.passwordFile', problem: 'cannot be combined with a password in database.url' });
  if (origins['database.url']?.kind !== 'environment')
    found.push({
      path: 'database.url',
      problem:
        'has a password, which only database.passwordFile, database.urlFile or the variable KW_DATABASE_URL may hold',
    });
  return found;
}

function retryContradictions({ transfers, caches }: ServiceConfig): readonly Contradiction[] {
  const found: Contradiction[] = [];
  if (transfers.firstRetryMs > transfers.longestRetryMs)
    found.push({ path: 'transfers.firstRetryMs', problem: 'is longer than transfers.longestRetryMs' });
  if ((caches.maxKeyBytes ?? 0) > (caches.maxBytes ?? Number.MAX_SAFE_INTEGER))
    found.push({ path: 'caches.maxKeyBytes', problem: 'is larger than caches.maxBytes' });
  return found;
}

function s3Contradictions({ stores: { s3 } }: ServiceConfig): readonly Contradiction[] {
  if (s3 === undefined) return [];
  const { accessKeyIdFile, secretAccessKeyFile, sessionTokenFile } = s3;
  const found: Contradiction[] = [];
  if (accessKeyIdFile !== undefined && secretAccessKeyFile === undefined)
    found.push({ path: 'stores.s3.accessKeyIdFile', problem: 'requires stores.s3.secretAccessKeyFile' });
  if (secretAccessKeyFile !== undefined && accessKeyIdFile === undefined)
    found.push({ path: 'stores.s3.secretAccessKeyFile', problem: 'requires stores.s3.accessKeyIdFile' });
  if (sessionTokenFile !== undefined && (accessKeyIdFile === undefined || secretAccessKeyFile === undefined))
    found.push({
      path: 'stores.s3.sessionTokenFile',
      problem: 'requires stores.s3.accessKeyIdFile and stores.s3.secretAccessKeyFile',
    });
  return found;
}

function statusContradictions({ status, metrics }: ServiceConfig): readonly Contradiction[] {
  const { host, port, auth, tokenFile, allowUnauthenticated } = status;
  const found: Contradiction[] = [];
  if (auth === 'token' && tokenFile === undefined)
    found.push({ path: 'status.auth', problem: 'is token, which requires status.tokenFile' });
  if (auth !== 'token' && tokenFile !== undefined)
    found.push({ path: 'status.tokenFile', problem: `has no effect: status.auth is ${auth}` });
  if (auth === 'none' && !isLoopback(host) && !allowUnauthenticated)
    found.push({
      path: 'status.host',
      problem: 'is not a loopback address: set status.auth, or status.allowUnauthenticated to accept every request',
    });
  if (port !== 0 && port === metrics.port)
    found.push({ path: 'metrics.port', problem: 'is the port of the status server (status.port)' });
  return found;
}

function telemetryContradictions({ telemetry: { otlp, traces } }: ServiceConfig): readonly Contradiction[] {
  if (otlp.endpoint !== undefined) return [];
  const found: Contradiction[] = [];
  if (traces === true)
    found.push({ path: 'telemetry.traces', problem: 'is true, which requires telemetry.otlp.endpoint' });
  if (otlp.headersFile !== undefined)
    found.push({ path: 'telemetry.otlp.headersFile', problem: 'has no effect without telemetry.otlp.endpoint' });
  return found;
}
