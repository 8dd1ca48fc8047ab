import { HttpError } from './http-error.ts';
import type { Route } from './request.ts';

/** The route of a path and the parameters in it. */
export interface Match {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

interface Pattern {
  readonly route: Route;
  readonly segments: readonly string[];
}

const parameterPattern = /^\{([A-Za-z]+)\}$/;

/** Finds the route of a path. */
export class Router {
  readonly #patterns: readonly Pattern[];

  constructor(routes: readonly Route[]) {
    this.#patterns = routes.map((route) => ({ route, segments: route.path.split('/') }));
  }

  /**
   * Returns the first route that matches the path. One slash at the end is ignored.
   *
   * @throws HttpError - no route has the path, or its encoding is invalid
   */
  match(path: string): Match {
    const segments = (path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path).split('/');
    for (const { route, segments: pattern } of this.#patterns) {
      const params = paramsOf(pattern, segments);
      if (params !== undefined) return { route, params };
    }
    throw new HttpError('KW_HTTP_NOT_FOUND', 'The server has no such path.');
  }
}

function paramsOf(pattern: readonly string[], segments: readonly string[]): Match['params'] | undefined {
  if (pattern.length !== segments.length) return undefined;
  const raw: (readonly [name: string, segment: string])[] = [];
  for (const [index, part] of pattern.entries()) {
    const segment = segments[index] ?? '';
    const name = parameterPattern.exec(part)?.[1];
    if (name === undefined && part !== segment) return undefined;
    if (name !== undefined) raw.push([name, segment]);
  }
  return Object.fromEntries(raw.map(([name, segment]) => [name, decoded(name, segment)]));
}

/** @throws HttpError */
function decoded(name: string, segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new HttpError('KW_HTTP_BAD_REQUEST', `${name}: is not a valid encoding`);
  }
}
