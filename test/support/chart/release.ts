import { randomBytes } from 'node:crypto';

import {
  ApiException,
  AppsV1Api,
  CoreV1Api,
  type KubeConfig,
  type V1Pod,
  type V1Secret,
} from '@kubernetes/client-node';
import type { Context } from 'mocha';

import { type RealCluster, realCluster, shellImage } from '../real-cluster.ts';
import { chartFolder, HelmError, type HelmVersion, helm, type Profile, profileFile } from './helm.ts';
import { namespaceReport } from './namespace-report.ts';
import type { PodContainer } from './pod-exec.ts';
import { type ChartSite, chartSite, type Endpoint, type SiteDatabase } from './site.ts';
import { type Values, writeValues } from './values.ts';

/** The labels of pods that the policies of the site's values permit to read the status API, and the metrics. */
export const clientLabels: Readonly<Record<string, string>> = { 'test/client': 'true' };
export const scraperLabels: Readonly<Record<string, string>> = { 'test/scraper': 'true' };

/** The Secret with the URL of the database and the token. */
const secretName = 'kubernetes-worker';

/** A Pod Security standard. */
export type Standard = 'baseline' | 'restricted';

export interface InstallOptions {
  /** @defaultValue none: the values of the chart and of the site */
  readonly profile?: Profile;
  /** Values that precede all others. */
  readonly values?: Values;
  /** A packaged chart. @defaultValue the chart of this checkout */
  readonly chart?: string;
  /** @defaultValue 4 */
  readonly version?: HelmVersion;
  /** How long to wait until it is ready, in seconds. @defaultValue 120 */
  readonly waitSeconds?: number;
}

/** A release of the chart in a namespace and with a database of its own, as an operator installs it. */
export class Release implements AsyncDisposable {
  readonly name = 'kw';
  readonly token: string = randomBytes(16).toString('hex');
  readonly site: ChartSite;
  readonly database: SiteDatabase;
  readonly core: CoreV1Api;
  readonly apps: AppsV1Api;
  readonly #real: RealCluster;

  private constructor(site: ChartSite, real: RealCluster, database: SiteDatabase) {
    this.site = site;
    this.database = database;
    this.#real = real;
    this.core = real.kubeConfig.makeApiClient(CoreV1Api);
    this.apps = real.kubeConfig.makeApiClient(AppsV1Api);
  }

  /** Makes the namespace, under a Pod Security standard, and the Secret. Nothing is installed. */
  static async prepare(context: Context, purpose: string, standard: Standard = 'restricted'): Promise<Release> {
    const site = await chartSite(context);
    const real = await realCluster(context, `chart-${purpose}`);
    const release = new Release(site, real, await site.newDatabase());
    await release.enforce(real.namespace, standard);
    const body = release.#secret(release.database.podUrl);
    await release.core.createNamespacedSecret({ namespace: real.namespace, body });
    return release;
  }

  /** Replaces the URL of the database in the Secret. */
  async setDatabaseUrl(url: string): Promise<void> {
    const { namespace } = this;
    await this.core.replaceNamespacedSecret({ namespace, name: secretName, body: this.#secret(url) });
  }

  #secret(databaseUrl: string): V1Secret {
    return {
      metadata: { name: secretName },
      stringData: { 'database-url': databaseUrl, 'status-token': this.token },
    };
  }

  get namespace(): string {
    return this.#real.namespace;
  }

  get kubeConfig(): KubeConfig {
    return this.#real.kubeConfig;
  }

  get kubeconfigPath(): string {
    return this.#real.kubeconfigPath;
  }

  /** Makes a namespace enforce a Pod Security standard. */
  async enforce(name: string, standard: Standard): Promise<void> {
    const body = await this.core.readNamespace({ name });
    body.metadata!.labels = { ...body.metadata!.labels, 'pod-security.kubernetes.io/enforce': standard };
    await this.core.replaceNamespace({ name, body });
  }

  /** Returns the Pod Security standard that a namespace enforces. */
  async standardOf(name: string): Promise<string | undefined> {
    const { metadata } = await this.core.readNamespace({ name });
    return metadata?.labels?.['pod-security.kubernetes.io/enforce'];
  }

  /** Installs the chart, and waits until it is ready. */
  async install(options: InstallOptions = {}): Promise<string> {
    return await this.#apply('install', options);
  }

  /** Upgrades the release, and waits until it is ready. */
  async upgrade(options: InstallOptions = {}): Promise<string> {
    return await this.#apply('upgrade', options);
  }

  /** Goes back to a revision, and waits until it is ready. */
  async rollback(revision: number): Promise<void> {
    await this.#helm(['rollback', this.name, String(revision), ...waiting()]);
  }

  /** Runs the tests of the chart, and returns their log. */
  async test({ version = 4 }: Pick<InstallOptions, 'version'> = {}): Promise<string> {
    try {
      return await this.#helm(['test', this.name, '--logs', '--timeout', '120s'], version);
    } catch (error) {
      // The log of the test's pod.
      if (error instanceof HelmError) error.message += `\n${error.stdout}`;
      throw error;
    }
  }

  /** Uninstalls the release, and waits until its objects and their pods are gone. */
  async uninstall(): Promise<void> {
    await this.#helm(['uninstall', this.name, '--cascade', 'foreground', ...waiting()]);
  }

  /** Deletes the objects of the release, those outside its namespace too, without waiting. */
  async discard(): Promise<void> {
    await this.#helm(['uninstall', this.name, '--ignore-not-found']);
  }

  /** Deletes a namespace of the release, if there is one, without waiting. */
  async removeNamespace(name: string): Promise<void> {
    try {
      await this.core.deleteNamespace({ name, gracePeriodSeconds: 0 });
    } catch (error) {
      if (!(error instanceof ApiException) || error.code !== 404) throw error;
    }
  }

  /** The Deployment of the service. */
  get deployment(): string {
    return `${this.name}-kubernetes-worker`;
  }

  /** Returns the pods of the service that are not being deleted. */
  async pods(): Promise<readonly V1Pod[]> {
    const { spec } = await this.apps.readNamespacedDeployment({ name: this.deployment, namespace: this.namespace });
    const labels = Object.entries(spec?.selector.matchLabels ?? {});
    const labelSelector = labels.map(([key, value]) => `${key}=${value}`).join();
    const { items } = await this.core.listNamespacedPod({ namespace: this.namespace, labelSelector });
    return items.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
  }

  /** Returns the container of the service in one of its pods. */
  async servicePod(): Promise<PodContainer> {
    const [pod] = await this.pods();
    const [container] = pod?.spec?.containers ?? [];
    return { namespace: this.namespace, pod: pod?.metadata?.name ?? '', container: container?.name ?? '' };
  }

  /** Deletes the namespace with the release. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#real.remove();
  }

  async #apply(command: 'install' | 'upgrade', options: InstallOptions): Promise<string> {
    const { profile, values = {}, chart = chartFolder, version = 4, waitSeconds } = options;
    await using defaults = await writeValues(siteDefaults);
    await using ofSite = await writeValues(siteValues(this.site));
    await using own = await writeValues(values);
    const files = [defaults.path, ...(profile === undefined ? [] : [profileFile(profile)]), ofSite.path, own.path];
    const flags = files.flatMap((path) => ['--values', path]);
    return await this.#helm([command, this.name, chart, ...waiting(waitSeconds), ...flags], version);
  }

  /** The message of a failure also has the state and the logs of the pods. */
  async #helm(args: readonly string[], version: HelmVersion = 4): Promise<string> {
    try {
      return await helm([...args, '--namespace', this.namespace], { version });
    } catch (error) {
      if (error instanceof HelmError) error.message += `\n${await namespaceReport(this.core, this.namespace)}`;
      throw error;
    }
  }
}

function waiting(seconds = 120): readonly string[] {
  return ['--wait', '--timeout', `${seconds}s`];
}

/** The values that a profile may replace. */
const siteDefaults: Values = { config: { worker: { volumeImage: shellImage } }, tests: { image: shellImage } };

/** The values that depend on where the chart is installed. */
function siteValues({ image, apiServer, databaseServer }: ChartSite): Values {
  const [, registry, repository, tag] = /^([^/]+)\/(.+):([^:/]+)$/.exec(image) ?? [];
  return {
    image: { registry, repository, tag, digest: '' },
    existingSecret: secretName,
    networkPolicy: {
      apiServer: { to: [peerOf(apiServer)], ports: [apiServer.port] },
      database: { to: [peerOf(databaseServer)], ports: [databaseServer.port] },
      clients: [{ podSelector: { matchLabels: clientLabels } }],
      scrapers: [{ podSelector: { matchLabels: scraperLabels } }],
    },
  };
}

function peerOf({ address }: Endpoint): Values {
  return { ipBlock: { cidr: `${address}/32` } };
}
