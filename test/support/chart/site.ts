import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { DiscoveryV1Api, KubeConfig } from '@kubernetes/client-node';
import type { Context } from 'mocha';
import pg from 'pg';

import { PostgresServer } from '../database/postgres-server.ts';
import { openTcpDoor, type TcpDoor } from '../database/tcp-door.ts';
import { buildImage } from '../image/build-image.ts';
import { hostAddress, pushRegistry, skipWithoutMeans } from '../image/means.ts';
import { pushImage } from '../image/push-image.ts';
import { chartProgram } from './programs.ts';

const buildTimeoutMs = 1_200_000;

/** A database of one release. */
export interface SiteDatabase {
  /** Its URL for pods. */
  readonly podUrl: string;
  /** Its URL for this process. */
  readonly url: string;
}

/** An address that a NetworkPolicy names. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/**
 * What all installations of the chart in this process share: the image of the service in a registry,
 * and a database server.
 */
export interface ChartSite {
  /** The image, as `HOST:PORT/NAME:TAG`. */
  readonly image: string;
  /** The API server, as policies see it. */
  readonly apiServer: Endpoint;
  /** The database server, as pods see it. */
  readonly databaseServer: Endpoint;
  newDatabase(): Promise<SiteDatabase>;
}

interface OpenSite extends ChartSite, AsyncDisposable {}

class SharedSite {
  #site: Promise<OpenSite> | undefined;

  async open(): Promise<ChartSite> {
    this.#site ??= openSite();
    return await this.#site;
  }

  async close(): Promise<void> {
    const site = this.#site;
    this.#site = undefined;
    await (await site)?.[Symbol.asyncDispose]();
  }
}

const shared = new SharedSite();

// Of all suites: the first one that needs the site opens it.
after(async () => {
  await shared.close();
});

/** Returns the site of this process. Skips the suite where there can be none; in CI, that is a failure. */
export async function chartSite(context: Context): Promise<ChartSite> {
  if (process.env['KUBECONFIG'] === undefined) {
    if (process.env['CI'] !== undefined) throw new Error('KUBECONFIG is not set');
    console.log('      skipped: KUBECONFIG is not set');
    context.skip();
  }
  await skipWithoutMeans(context);
  // The programs and the image are built once, if they are not.
  context.timeout(buildTimeoutMs);
  return await shared.open();
}

async function openSite(): Promise<OpenSite> {
  await chartProgram('helm3');
  await chartProgram('helm4');
  const [image, database] = await Promise.all([serviceImage(), PostgresServer.start()]);
  const door = await openTcpDoor(database.url, hostAddress);
  return {
    image,
    apiServer: await apiServerEndpoint(),
    databaseServer: { address: hostAddress, port: Number(new URL(door.url).port) },
    newDatabase: async () => await newDatabase(database, door),
    [Symbol.asyncDispose]: async () => {
      await door[Symbol.asyncDispose]();
      await database.stop();
    },
  };
}

/** Returns `KW_TEST_SERVICE_IMAGE`, or builds the image and pushes it. */
async function serviceImage(): Promise<string> {
  const given = process.env['KW_TEST_SERVICE_IMAGE'];
  if (given !== undefined && given !== '') return given;
  const folder = await mkdtemp(join(tmpdir(), 'kw-chart-image-'));
  try {
    const { archive, digest } = await buildImage(folder);
    const reference = `${pushRegistry}/kubernetes-worker:${digest.slice(-12)}`;
    await pushImage(archive, reference);
    return reference;
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function newDatabase(server: PostgresServer, door: TcpDoor): Promise<SiteDatabase> {
  const name = `release_${randomUUID().replaceAll('-', '')}`;
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  await client.query(`create database ${name}`);
  await client.end();
  const at = (url: string): string => url.replace(/\/[^/]*$/, `/${name}`);
  return { url: at(server.url), podUrl: at(door.url) };
}

/** Returns the address behind the Service of the API server: policies see addresses after their translation. */
async function apiServerEndpoint(): Promise<Endpoint> {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromDefault();
  const api = kubeConfig.makeApiClient(DiscoveryV1Api);
  const { endpoints, ports } = await api.readNamespacedEndpointSlice({ name: 'kubernetes', namespace: 'default' });
  const [address, port] = [endpoints?.[0]?.addresses[0], ports?.[0]?.port];
  if (address === undefined || port === undefined) throw new Error('the API server has no endpoint');
  return { address, port };
}
