import { createHash } from 'node:crypto';

import type { Fetch } from '../../src/images/registry-http.ts';

/** A registry in memory, with a token server beside it. */
export class ScriptedRegistry {
  /** Manifests and blobs by their path, like `app/manifests/1`. */
  readonly content = new Map<string, string>();
  /** Every request, like `https://registry.example/v2/app/manifests/1 (Basic …)`. */
  readonly requests: string[] = [];
  /** `token` requires tokens of `https://auth.example/token`, `basic` a password. */
  login: 'none' | 'token' | 'basic' = 'none';
  /** The accepted `user:password`. An empty text accepts requests without any. */
  accepted = '';
  /** Answers instead of the registry. */
  override: ((url: URL) => Response | undefined) | undefined;

  /** Adds an image of one platform, and returns its digest. */
  add(name: string, tag: string, architecture: string): string {
    const config = JSON.stringify({ architecture, os: 'linux' });
    this.content.set(`${name}/blobs/${digestOf(config)}`, config);
    return this.#put(name, tag, JSON.stringify({ schemaVersion: 2, config: { digest: digestOf(config) } }));
  }

  /** Adds an image of several platforms, and returns the digest of its index. */
  addIndex(name: string, tag: string, platforms: readonly object[]): string {
    return this.#put(name, tag, JSON.stringify({ manifests: platforms.map((platform) => ({ platform })) }));
  }

  #put(name: string, tag: string, manifest: string): string {
    const digest = digestOf(manifest);
    for (const version of [tag, digest]) this.content.set(`${name}/manifests/${version}`, manifest);
    return digest;
  }

  readonly fetch: Fetch = async (href, { headers }) => {
    const url = new URL(href);
    const { authorization } = headers;
    this.requests.push(authorization === undefined ? href : `${href} (${authorization})`);
    const own = this.override?.(url);
    if (own !== undefined) return own;
    if (url.host === 'auth.example') return this.#token(authorization);
    if (!this.#isLoggedIn(authorization)) return new Response('', { status: 401, headers: this.#challenge() });
    const found = this.content.get(url.pathname.replace(/^\/v2\//, ''));
    return found === undefined ? new Response('{}', { status: 404 }) : new Response(found);
  };

  #isLoggedIn(authorization: string | undefined): boolean {
    if (this.login === 'none') return true;
    return authorization === (this.login === 'token' ? 'Bearer issued' : this.#basic());
  }

  #challenge(): Record<string, string> {
    const bearer = 'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:app:pull"';
    return { 'www-authenticate': this.login === 'token' ? bearer : 'Basic realm="registry"' };
  }

  #token(authorization: string | undefined): Response {
    const isAccepted = this.accepted === '' ? authorization === undefined : authorization === this.#basic();
    return isAccepted ? Response.json({ token: 'issued' }) : new Response('', { status: 401 });
  }

  #basic(): string {
    return `Basic ${Buffer.from(this.accepted).toString('base64')}`;
  }
}

/** Returns the text of a pull secret. */
export function pullSecret(server: string, userAndPassword: string): string {
  return JSON.stringify({ auths: { [server]: { auth: Buffer.from(userAndPassword).toString('base64') } } });
}

function digestOf(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}
