import { findResource, type ResourceDefinition } from '../objects/resources.ts';
import { badRequest, noSuchResource } from '../objects/status.ts';

/** A parsed request: the verb and the object. */
export interface RequestInfo {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /**
   * `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`; the method
   * in lower case if the request names no object.
   */
  readonly verb: string;
  readonly target: ResourceTarget | undefined;
}

/** The object or collection that a path names. */
export interface ResourceTarget {
  readonly resource: ResourceDefinition;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

/**
 * Parses a method and a URL.
 * @throws ApiError 404 for a path below a group's version that names no kind, 400 for a malformed
 * path
 */
export function parseRequest(method: string, url: string): RequestInfo {
  const [rawPath, rawQuery = ''] = splitOnce(url, '?');
  const query = new URLSearchParams(rawQuery);
  const segments = decodeSegments(rawPath);
  const target = targetOfPath(segments);
  return {
    method,
    path: rawPath,
    query,
    target,
    verb: target === undefined ? method.toLowerCase() : verbOf(method, target, query),
  };
}

function splitOnce(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function decodeSegments(path: string): string[] {
  try {
    return path
      .split('/')
      .filter((segment) => segment !== '')
      .map(decodeURIComponent);
  } catch {
    throw badRequest('invalid URL escape');
  }
}

/** Returns `undefined` for a path without objects, such as discovery. */
function targetOfPath(segments: readonly string[]): ResourceTarget | undefined {
  const [root, group, version] = segments;
  if (root === 'api' && group === 'v1' && segments.length > 2) return parseTarget(group, segments.slice(2));
  const isNetworking = root === 'apis' && group === 'networking.k8s.io' && version === 'v1';
  return isNetworking && segments.length > 3 ? parseTarget(`${group}/${version}`, segments.slice(3)) : undefined;
}

function parseTarget(apiVersion: string, segments: readonly string[]): ResourceTarget {
  const [first = '', second, third, ...rest] = segments;
  const nested = third === undefined ? undefined : findResource(apiVersion, third);
  if (first === 'namespaces' && nested?.namespaced === true) return targetOf(nested, second, rest);
  return targetOf(findResource(apiVersion, first), undefined, segments.slice(1));
}

function targetOf(
  resource: ResourceDefinition | undefined,
  namespace: string | undefined,
  rest: readonly string[],
): ResourceTarget {
  const [name, subresource, ...more] = rest;
  if (resource === undefined || more.length > 0) throw noSuchResource();
  if (name !== undefined && resource.namespaced && namespace === undefined) throw noSuchResource();
  const known =
    subresource === undefined ||
    (subresource === 'status' && resource.hasStatus) ||
    resource.subresources.includes(subresource);
  if (!known) throw noSuchResource();
  return { resource, namespace, name, subresource };
}

function verbOf(method: string, { name }: ResourceTarget, query: URLSearchParams): string {
  switch (method) {
    case 'GET':
    case 'HEAD':
      if (isTrue(query.get('watch'))) return 'watch';
      return name === undefined ? 'list' : 'get';
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return name === undefined ? 'deletecollection' : 'delete';
    default:
      return method.toLowerCase();
  }
}

/** Whether a query parameter is true. */
export function isTrue(value: string | null): boolean {
  return value === 'true' || value === '1';
}
