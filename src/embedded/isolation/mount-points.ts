import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ContainerMount } from './container-runtime.ts';

/** A mount point within another mount: where it is, in the directory behind the outer one. */
export interface NestedPoint {
  readonly mount: ContainerMount;
  readonly point: string;
}

/** The mounts that lie within other mounts, outer ones first. */
export function nestedPoints(mounts: readonly ContainerMount[]): NestedPoint[] {
  const ordered = [...mounts].sort((a, b) => a.path.length - b.path.length);
  return ordered.flatMap((mount) => {
    const outer = ordered
      .filter((each) => each !== mount && each.kind === 'directory' && mount.path.startsWith(`${each.path}/`))
      .at(-1);
    return outer === undefined ? [] : [{ mount, point: join(outer.source, mount.path.slice(outer.path.length)) }];
  });
}

/** Makes the directories and files that mounts within mounts are bound over, as a container runtime does. */
export function makeMountPoints(mounts: readonly ContainerMount[]): void {
  for (const { mount, point } of nestedPoints(mounts)) {
    if (existsSync(point)) continue;
    mkdirSync(mount.kind === 'directory' ? point : dirname(point), { recursive: true });
    if (mount.kind === 'file') writeFileSync(point, '');
  }
}
