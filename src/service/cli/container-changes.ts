import type { ContainerInfo, ContainerState } from '../../index.ts';

/** A difference between two lists of containers. */
export interface ContainerChange {
  readonly kind: 'present' | 'added' | 'changed' | 'deleted';
  readonly container: ContainerInfo;
  /** The state in the earlier list, if it differs. */
  readonly previousState?: ContainerState | undefined;
}

/**
 * Returns what differs from an earlier list, in the order of the later one, then the deleted ones.
 * Without an earlier list all containers are `present`.
 */
export function changesBetween(
  before: readonly ContainerInfo[] | undefined,
  after: readonly ContainerInfo[],
): readonly ContainerChange[] {
  if (before === undefined) return after.map((container) => ({ kind: 'present', container }));
  const earlier = new Map(before.map((container) => [container.handle, container]));
  const changes = after.flatMap((container): ContainerChange[] => {
    const previous = earlier.get(container.handle);
    earlier.delete(container.handle);
    if (previous === undefined) return [{ kind: 'added', container }];
    if (previous.state === container.state) return [];
    return [{ kind: 'changed', container, previousState: previous.state }];
  });
  return [...changes, ...[...earlier.values()].map((container): ContainerChange => ({ kind: 'deleted', container }))];
}
