import { createHash } from 'node:crypto';

import type { AbortOptions } from '../runtime/options.ts';
import type { CanonicalImage } from './image-reference.ts';
import { type Fetch, type RegistryResponse, RegistryUnavailable, registryGet } from './registry-http.ts';
import { type Credential, login, parseChallenge } from './registry-login.ts';

/** What a registry has of an image. */
export interface ImageFacts {
  /** The digest of the manifest that the reference selects: of the index, if there is one. */
  readonly digest: string;
  /** The architectures of the image for Linux. `undefined` if the manifest does not name them. */
  readonly architectures: readonly string[] | undefined;
}

/** `missing`: the registry has no such image. `refused`: it does not accept the credential. */
export type Inspection = ImageFacts | 'missing' | 'refused';

export interface RegistryClientOptions {
  readonly fetch: Fetch;
  /** Registries, by their host and port, that are accessed over unencrypted HTTP. */
  readonly plainHttpRegistries: ReadonlySet<string>;
}

const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];

/** Sends one GET below the image's repository. */
type Get = (path: string, accept: string) => Promise<RegistryResponse>;

/** Reads manifests by the API of the distribution project. */
export class RegistryClient {
  readonly #options: RegistryClientOptions;

  constructor(options: RegistryClientOptions) {
    this.#options = options;
  }

  /**
   * Returns what the registry has of an image.
   *
   * @throws RegistryUnavailable - the registry does not answer, or not as a registry
   */
  async inspect(
    image: CanonicalImage,
    credential: Credential | undefined,
    options: AbortOptions = {},
  ): Promise<Inspection> {
    const get = this.#getter(image, credential, options);
    const { status, body } = await get(`manifests/${image.version}`, manifestTypes.join(', '));
    if (status === 404) return 'missing';
    if (status === 401 || status === 403) return 'refused';
    if (status !== 200) throw new RegistryUnavailable(`${image.registry} responds with ${status}`);
    const digest = digestOf(body, image.isDigest ? image.version : 'sha256:');
    if (image.isDigest && digest !== image.version)
      throw new RegistryUnavailable(`${image.registry} responds with a manifest of another digest`);
    return { digest, architectures: await architecturesOf(body, get) };
  }

  /** The returned function logs in when the registry first requires it. */
  #getter(image: CanonicalImage, credential: Credential | undefined, { signal }: AbortOptions): Get {
    const { fetch, plainHttpRegistries } = this.#options;
    const { registry, repository } = image;
    const plainHttp = plainHttpRegistries.has(registry);
    const host = registry === 'docker.io' ? 'registry-1.docker.io' : registry;
    const base = `${plainHttp ? 'http' : 'https'}://${host}/v2/${repository}/`;
    let authorization: string | undefined;
    return async (path, accept) => {
      const send = async (): Promise<RegistryResponse> => {
        const headers = { accept, ...(authorization === undefined ? {} : { authorization }) };
        return await registryGet(fetch, { url: new URL(base + path), headers, plainHttp, signal });
      };
      const first = await send();
      const challenge = parseChallenge(first.headers.get('www-authenticate') ?? '');
      if (first.status !== 401 || authorization !== undefined || challenge === undefined) return first;
      authorization = await login(challenge, { fetch, repository, credential, plainHttp, signal });
      return authorization === undefined ? first : await send();
    };
  }
}

/** Returns the digest of a manifest, by the algorithm of another digest. */
function digestOf(body: Buffer, like: string): string {
  const algorithm = like.slice(0, like.indexOf(':'));
  return `${algorithm}:${createHash(algorithm).update(body).digest('hex')}`;
}

async function architecturesOf(body: Buffer, get: Get): Promise<readonly string[] | undefined> {
  const { manifests, config } = fieldsOf(parsed(body));
  const platforms = Array.isArray(manifests)
    ? manifests.map((manifest: unknown) => fieldsOf(fieldsOf(manifest)['platform']))
    : [await configOf(fieldsOf(config)['digest'], get)];
  const found = platforms
    .filter(({ os }) => os === 'linux')
    .map(({ architecture }) => architecture)
    .filter((architecture) => typeof architecture === 'string');
  return found.length === 0 ? undefined : [...new Set(found)].sort();
}

/** Returns the configuration of an image with one platform; an empty one if it is not available. */
async function configOf(digest: unknown, get: Get): Promise<Record<string, unknown>> {
  if (typeof digest !== 'string' || !/^\w+:[0-9a-f]+$/.test(digest)) return {};
  const { status, body } = await get(`blobs/${digest}`, '*/*');
  return status === 200 ? fieldsOf(parsed(body)) : {};
}

/** @throws RegistryUnavailable */
function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch (error) {
    throw new RegistryUnavailable('a response is not JSON', { cause: error });
  }
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
