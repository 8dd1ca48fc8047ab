import { type Fetch, RegistryUnavailable, registryGet } from './registry-http.ts';

/** A user of a registry. */
export interface Credential {
  readonly username: string;
  readonly password: string;
}

/** How a registry requests authentication, by the header `www-authenticate` of a 401. */
export type Challenge =
  | { readonly scheme: 'basic' }
  | {
      readonly scheme: 'bearer';
      readonly realm: string;
      readonly service: string | undefined;
      readonly scope: string | undefined;
    };

export interface LoginRequest {
  readonly fetch: Fetch;
  readonly repository: string;
  readonly credential: Credential | undefined;
  readonly plainHttp: boolean;
  readonly signal: AbortSignal | undefined;
}

/** Returns the challenge of a header, or `undefined` if it has no scheme that the library supports. */
export function parseChallenge(header: string): Challenge | undefined {
  const bearer = /(?:^|[\s,])bearer\s+(.*)$/is.exec(header)?.[1];
  if (bearer === undefined) return /(?:^|[\s,])basic\b/i.test(header) ? { scheme: 'basic' } : undefined;
  const parameters = new Map<string, string>();
  for (const [, name = '', quoted, plain] of bearer.matchAll(/(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g))
    if (!parameters.has(name.toLowerCase()))
      parameters.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '');
  const realm = parameters.get('realm');
  if (realm === undefined) return undefined;
  return { scheme: 'bearer', realm, service: parameters.get('service'), scope: parameters.get('scope') };
}

/**
 * Returns the header `authorization` for a challenge. Returns `undefined` if the registry needs a
 * credential and there is none, or its token server refuses the credential.
 *
 * @throws RegistryUnavailable
 */
export async function login(challenge: Challenge, request: LoginRequest): Promise<string | undefined> {
  const { credential } = request;
  if (challenge.scheme === 'bearer') return await token(challenge, request);
  return credential === undefined ? undefined : basic(credential);
}

async function token(
  { realm, service, scope }: Challenge & { readonly scheme: 'bearer' },
  { fetch, repository, credential, plainHttp, signal }: LoginRequest,
): Promise<string | undefined> {
  if (!URL.canParse(realm)) throw new RegistryUnavailable('the registry names an invalid token server');
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  url.searchParams.set('scope', scope ?? `repository:${repository}:pull`);
  const headers = credential === undefined ? {} : { authorization: basic(credential) };
  const { status, body } = await registryGet(fetch, { url, headers, plainHttp, signal });
  if (status === 401 || status === 403) return undefined;
  const issued = status === 200 ? tokenOf(body) : undefined;
  if (issued === undefined) throw new RegistryUnavailable(`the token server ${url.host} responds with ${status}`);
  return `Bearer ${issued}`;
}

function tokenOf(body: Buffer): string | undefined {
  try {
    const answer: unknown = JSON.parse(body.toString());
    const { token: first, access_token: second } = Object(answer) as Record<string, unknown>;
    return [first, second].find((text) => typeof text === 'string' && text !== '') as string | undefined;
  } catch {
    return undefined;
  }
}

function basic({ username, password }: Credential): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
