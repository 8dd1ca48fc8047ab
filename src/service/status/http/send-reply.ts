import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';

import type { HttpLimits } from './http-limits.ts';
import type { Content, Reply } from './request.ts';

/** What every response has. No header permits other origins to read it. */
export const fixedHeaders: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
};

export interface SendOptions {
  readonly limits: Pick<HttpLimits, 'maxStreamMs' | 'stallMs'>;
  /** Ends a stream. */
  readonly signal: AbortSignal;
}

/**
 * Sends a response, and resolves when the connection has taken it or has ended. Rejects if a stream
 * fails; the response is then incomplete, which the client notices.
 */
export async function sendReply(
  request: IncomingMessage,
  response: ServerResponse,
  { status, headers, content }: Reply,
  options: SendOptions,
): Promise<void> {
  for (const [name, value] of Object.entries({ ...fixedHeaders, ...headers })) response.setHeader(name, value);
  if ('stream' in content) return await sendStream(request, response, status, content, options);
  const [type, text] =
    'json' in content
      ? ['application/json', `${JSON.stringify(content.json)}\n`]
      : [content.type ?? 'text/plain; charset=utf-8', content.text];
  const body = Buffer.from(text);
  response.setHeader('Content-Type', type);
  if (status === 200) {
    const tag = entityTag(body);
    response.setHeader('ETag', tag);
    if (names(request.headers['if-none-match'], tag)) {
      response.removeHeader('Content-Type');
      response.writeHead(304).end();
      return await taken(response);
    }
  }
  response.setHeader('Content-Length', body.byteLength);
  response.writeHead(status).end(request.method === 'HEAD' ? undefined : body);
  await taken(response);
}

type StreamContent = Extract<Content, { readonly stream: unknown }>;

async function sendStream(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  { stream, type }: StreamContent,
  { limits: { stallMs, maxStreamMs }, signal: ending }: SendOptions,
): Promise<void> {
  response.setHeader('Content-Type', type);
  response.writeHead(status);
  if (request.method === 'HEAD') {
    response.end();
    return await taken(response);
  }
  // Sent before the first output, which may be late.
  response.flushHeaders();
  // A stream may be silent for long; the client's stalls have their own limit.
  request.socket.setTimeout(0);
  const signal = AbortSignal.any([ending, AbortSignal.timeout(maxStreamMs)]);
  for await (const chunk of stream(signal)) {
    signal.throwIfAborted();
    if (!response.write(chunk))
      await once(response, 'drain', { signal: AbortSignal.any([signal, AbortSignal.timeout(stallMs)]) });
  }
  signal.throwIfAborted();
  request.socket.setTimeout(stallMs);
  response.end();
  await taken(response);
}

/** Resolves when the connection has taken the response, or is closed. */
async function taken(response: ServerResponse): Promise<void> {
  if (response.writableFinished || response.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once('finish', resolve).once('close', resolve);
  await promise;
}

function entityTag(body: Uint8Array): string {
  return `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`;
}

/** Returns whether a header `If-None-Match` has the tag; comparison is weak, as for GET. */
function names(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((each) => [tag, `W/${tag}`, '*'].includes(each.trim()));
}
