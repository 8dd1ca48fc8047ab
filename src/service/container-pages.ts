import type { ContainerInfo, ContainerQuery, Worker } from '../index.ts';

const pageSize = 500;

/** Yields every page of the containers that match. */
export async function* containerPages(
  worker: Pick<Worker, 'listContainers'>,
  query: ContainerQuery,
  signal: AbortSignal,
): AsyncGenerator<readonly ContainerInfo[]> {
  for (let after: string | undefined; ; ) {
    const { containers, next } = await worker.listContainers({ ...query, limit: pageSize, after }, { signal });
    yield containers;
    if (next === undefined) return;
    after = next;
  }
}
