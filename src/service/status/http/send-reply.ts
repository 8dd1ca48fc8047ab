import { hash } from 'node:crypto';
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
  const sent = { ...fixedHeaders, ...headers };
  if ('stream' in content) return await sendStream(request, response, { status, headers: sent, content }, options);
  const [type, text] =
    'json' in content
      ? ['application/json', `${JSON.stringify(content.json)}\n`]
      : [content.type ?? 'text/plain; charset=utf-8', content.text];
  const tag = status === 200 ? entityTag(text) : undefined;
  const tagged = tag === undefined ? sent : { ...sent, ETag: tag };
  if (tag !== undefined && names(request.headers['if-none-match'], tag)) response.writeHead(304, tagged).end();
  else {
    const described = { ...tagged, 'Content-Type': type, 'Content-Length': Buffer.byteLength(text) };
    // Headers that are given at once, and a text with them, are one write and no copy.
    response.writeHead(status, described).end(request.method === 'HEAD' ? undefined : text);
  }
  await taken(response);
}

type StreamContent = Extract<Content, { readonly stream: unknown }>;

async function sendStream(
  request: IncomingMessage,
  response: ServerResponse,
  { status, headers, content: { stream, type } }: Reply & { readonly content: StreamContent },
  { limits: { stallMs, maxStreamMs }, signal: ending }: SendOptions,
): Promise<void> {
  response.writeHead(status, { ...headers, 'Content-Type': type });
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

function entityTag(body: string): string {
  return `"${hash('sha256', body, 'base64url').slice(0, 27)}"`;
}

/** Returns whether a header `If-None-Match` has the tag; comparison is weak, as for GET. */
function names(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((each) => [tag, `W/${tag}`, '*'].includes(each.trim()));
}
