import { ApiError } from '../../errors/cluster.ts';

/** Selects a page of a list. */
export interface PageRequest {
  readonly limit?: number;
  readonly continue?: string;
}

/** A page of a list, as the API returns it. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly metadata?:
    | { readonly continue?: string | undefined; readonly resourceVersion?: string | undefined }
    | undefined;
}

export interface WholeList<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
}

const pageSize = 500;
/**
 * Attempts with pages. After them, as the pages expire each time, the list is requested in one
 * piece.
 */
const pagedAttempts = 3;

/** Returns all pages of a list, of one version; never a part of them. */
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
      ...(next === undefined ? {} : { continue: next }),
    });
    for (const item of more) items.push(item);
    next = metadata?.continue;
    if (next === undefined || next === '') return { items, resourceVersion: metadata?.resourceVersion ?? '' };
  }
}
