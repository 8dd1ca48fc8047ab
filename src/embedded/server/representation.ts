import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ApiObject, isRecord } from '../objects/api-object.ts';
import { ApiError, badRequest, notAcceptable, unsupportedBody } from '../objects/status.ts';
import { decodeProtobuf } from './protobuf.ts';
import { toTable } from './table.ts';

export const protobufType = 'application/vnd.kubernetes.protobuf';
const maxBodyBytes = 3 * 1024 * 1024;

/**
 * The representation that the client requests: the objects, a table for people, or the metadata
 * alone.
 */
export type Form = 'object' | 'table' | 'metadata';

/**
 * Returns the first form of an Accept header that the server supports.
 * @throws ApiError 406
 */
export function negotiate(accept: string | undefined): Form {
  if (accept === undefined || accept.trim() === '') return 'object';
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim());
    if (type !== 'application/json' && type !== '*/*' && type !== 'application/*') continue;
    const as = parameters.find((parameter) => parameter.startsWith('as='))?.slice(3);
    if (as === undefined) return 'object';
    if (as === 'Table') return 'table';
    if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') return 'metadata';
  }
  throw notAcceptable();
}

/** Returns an object in the requested form. */
export function representObject(object: ApiObject, form: Form, resource: string): object {
  if (form === 'table') return toTable({ resource, objects: [object], metadata: {}, now: Date.now(), headers: true });
  return form === 'metadata' ? metadataOnly(object) : object;
}

export function metadataOnly(object: ApiObject): object {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}

export function respondJson(response: ServerResponse, code: number, body: object): void {
  const text = Buffer.from(`${JSON.stringify(body)}\n`);
  response.writeHead(code, {
    'content-type': 'application/json',
    'content-length': text.length,
    'cache-control': 'no-cache, private',
  });
  response.end(text);
}

/** Responds to a failed request with its Status body. */
export function respondError(response: ServerResponse, error: ApiError): void {
  const retryAfter = error.body.details?.retryAfterSeconds;
  if (retryAfter !== undefined) response.setHeader('retry-after', String(retryAfter));
  if (error.code === 405) response.setHeader('allow', 'GET');
  respondJson(response, error.code, error.body);
}

/**
 * Reads the whole body.
 * @throws ApiError 413 beyond 3 MiB
 */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    bytes += chunk.length;
    if (bytes > maxBodyBytes)
      throw new ApiError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${maxBodyBytes}`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Returns the media type of a body, without its parameters. */
export function mediaType(request: IncomingMessage): string {
  return (request.headers['content-type'] ?? 'application/json').split(';')[0]?.trim() ?? '';
}

/**
 * Reads a body that must be an object. Accepts JSON under the content type of YAML, because JSON is
 * YAML, and Kubernetes' protobuf for the kinds that kubectl sends in it.
 * @throws ApiError 415 for another content type, 400 if the text is not JSON
 */
export async function readObject(request: IncomingMessage, kind: string): Promise<Record<string, unknown>> {
  const type = mediaType(request);
  if (type === protobufType) return decodeProtobuf(await readBody(request));
  if (type !== 'application/json' && type !== 'application/yaml') throw unsupportedBody();
  const text = (await readBody(request)).toString('utf8');
  const value = parseJson(
    text,
    `the object provided is unrecognized (must be of type ${kind}): couldn't get version/kind; json parse error`,
  );
  if (!isRecord(value)) throw badRequest(`the object provided is unrecognized (must be of type ${kind})`);
  return value;
}

export function parseJson(text: string, message: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(`${message}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
