import { ApiError } from '../errors/cluster.ts';

/** Which part of a list to ask for. */
export interface PageRequest {
  readonly limit?: number;
  readonly _continue?: string;
}

/** A part of a list, as the API gives it. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly metadata?:
    | { readonly _continue?: string | undefined; readonly resourceVersion?: string | undefined }
    | undefined;
}

/** A whole list. */
export interface WholeList<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
}

const pageSize = 500;
/** How often a list is begun again whose pages have expired meanwhile, before it is asked for in one piece. */
const pagedAttempts = 3;

/** All pages of a list, of one version; never a part of them. */
export async function paged<T>(fetchPage: (request: PageRequest) => Promise<Page<T>>): Promise<WholeList<T>> {
  for (let attempt = 0; attempt < pagedAttempts; attempt += 1) {
    try {
      return await collect(fetchPage);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 410)) throw error;
    }
  }
  const { items, metadata } = await fetchPage({});
  return { items, resourceVersion: metadata?.resourceVersion ?? '' };
}

async function collect<T>(fetchPage: (request: PageRequest) => Promise<Page<T>>): Promise<WholeList<T>> {
  const items: T[] = [];
  let next: string | undefined;
  for (;;) {
    const { items: more, metadata } = await fetchPage({
      limit: pageSize,
      ...(next === undefined ? {} : { _continue: next }),
    });
    for (const item of more) items.push(item);
    next = metadata?._continue;
    if (next === undefined || next === '') return { items, resourceVersion: metadata?.resourceVersion ?? '' };
  }
}
