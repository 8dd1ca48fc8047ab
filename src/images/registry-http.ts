import type { AbortOptions } from '../runtime/options.ts';

/** The part of the global `fetch` that requests to registries use. */
export type Fetch = (
  url: string,
  init: {
    readonly headers: Readonly<Record<string, string>>;
    readonly redirect: 'manual';
    readonly signal: AbortSignal | null;
  },
) => Promise<Response>;

export interface RegistryRequest extends AbortOptions {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Whether unencrypted HTTP is permitted. */
  readonly plainHttp: boolean;
}

export interface RegistryResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

/** The registry cannot be reached, or its response is not one of a registry. */
export class RegistryUnavailable extends Error {}

const maxRedirects = 5;
/** The limit of registries for manifests. Configurations are smaller. */
const maxBodyBytes = 4 * 1024 * 1024;

/**
 * Sends a GET and reads the response with its body. Follows redirects; another origin receives no
 * `authorization`. Sends nothing over unencrypted HTTP, unless that is permitted.
 *
 * @throws RegistryUnavailable
 */
export async function registryGet(fetch: Fetch, request: RegistryRequest): Promise<RegistryResponse> {
  let { url, headers } = request;
  for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && request.plainHttp))
      throw new RegistryUnavailable(`${url.host} is not accessed over ${url.protocol}: see images.plainHttpRegistries`);
    const response = await send(fetch, url, headers, request);
    const { status, headers: answered } = response;
    const location = answered.get('location');
    if (status < 300 || status > 399 || location === null)
      return { status, headers: answered, body: await bodyOf(response) };
    await response.body?.cancel();
    const next = resolved(location, url);
    if (next.origin !== url.origin) headers = withoutAuthorization(headers);
    url = next;
  }
  throw new RegistryUnavailable(`${request.url.host} redirects more than ${maxRedirects} times`);
}

async function send(
  fetch: Fetch,
  url: URL,
  headers: RegistryRequest['headers'],
  { signal }: AbortOptions,
): Promise<Response> {
  try {
    return await fetch(url.href, { headers, redirect: 'manual', signal: signal ?? null });
  } catch (error) {
    signal?.throwIfAborted();
    throw new RegistryUnavailable(`${url.host} cannot be reached`, { cause: error });
  }
}

function resolved(location: string, base: URL): URL {
  if (!URL.canParse(location, base.href)) throw new RegistryUnavailable(`${base.host} redirects to an invalid address`);
  return new URL(location, base);
}

async function bodyOf({ body }: Response): Promise<Buffer> {
  if (body === null) return Buffer.alloc(0);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    // Leaving the loop cancels the rest of the body.
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      bytes += chunk.byteLength;
      if (bytes > maxBodyBytes) break;
      chunks.push(chunk);
    }
  } catch (error) {
    throw new RegistryUnavailable('the connection ended within a response', { cause: error });
  }
  if (bytes > maxBodyBytes) throw new RegistryUnavailable(`a response has more than ${maxBodyBytes} bytes`);
  return Buffer.concat(chunks);
}

function withoutAuthorization(headers: RegistryRequest['headers']): RegistryRequest['headers'] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'authorization'));
}
