import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ContainerMount } from './container-runtime.ts';

/** A mount within another mount, and its mount point in the directory behind the outer mount. */
export interface NestedPoint {
  readonly mount: ContainerMount;
  readonly point: string;
}

/** Returns the mounts that lie within other mounts, outer mounts first. */
export function nestedPoints(mounts: readonly ContainerMount[]): NestedPoint[] {
  const ordered = [...mounts].sort((a, b) => a.path.length - b.path.length);
  return ordered.flatMap((mount) => {
    const outer = ordered
      .filter((each) => each !== mount && each.kind === 'directory' && mount.path.startsWith(`${each.path}/`))
      .at(-1);
    return outer === undefined ? [] : [{ mount, point: join(outer.source, mount.path.slice(outer.path.length)) }];
  });
}

/** Creates the missing mount points of mounts within other mounts, as a container runtime does. */
export function makeMountPoints(mounts: readonly ContainerMount[]): void {
  for (const { mount, point } of nestedPoints(mounts)) {
    if (existsSync(point)) continue;
    mkdirSync(mount.kind === 'directory' ? point : dirname(point), { recursive: true });
    if (mount.kind === 'file') writeFileSync(point, '');
  }
}
