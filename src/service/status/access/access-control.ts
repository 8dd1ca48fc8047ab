import { isIP } from 'node:net';
import { isLoopback } from '../../config/loopback.ts';
import { HttpError } from '../http/http-error.ts';
import type { Authorize } from '../http/request.ts';
import { challenge } from './token-file.ts';

/** Returns the guard that requires a bearer token, which `check` accepts or refuses by throwing. */
export function bearerToken(check: (token: string) => Promise<void>): Authorize {
  return async ({ authorization }) => {
    const token = /^Bearer +([\x21-\x7e]+) *$/i.exec(authorization ?? '')?.[1];
    if (token === undefined)
      throw new HttpError('KW_HTTP_UNAUTHENTICATED', 'The request has no bearer token.', challenge);
    await check(token);
  };
}

/**
 * Returns the guard of a server without tokens. On a loopback address it accepts requests to an address
 * or to `localhost`: a page of a browser can reach the server by another name only (DNS rebinding). On
 * any other address it refuses all requests.
 */
export function withoutToken(listenHost: string): Authorize {
  const isLocal = isLoopback(listenHost);
  return async ({ host }) => {
    if (!isLocal) throw new HttpError('KW_HTTP_FORBIDDEN', 'The server is exposed, and status.auth is none.');
    const name = nameOf(host ?? '');
    if (name.toLowerCase() !== 'localhost' && isIP(name) === 0)
      throw new HttpError('KW_HTTP_MISDIRECTED', 'The server answers requests to its address or localhost only.');
  };
}

/** Returns a header `Host` without its port, and an IPv6 address without its brackets. */
function nameOf(host: string): string {
  return host.startsWith('[') ? (host.slice(1).split(']', 1)[0] ?? '') : (host.split(':', 1)[0] ?? '');
}
