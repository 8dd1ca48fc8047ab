import { posix } from 'node:path';

const maxLinks = 40;

/** The kind of a directory entry of this machine. */
export type FileKind = 'directory' | 'file' | 'symlink' | 'other';

/** Read access to the machine's file system. Never follows the last component of a path. */
export interface FileLister {
  kind(path: string): FileKind | undefined;
  /** Returns the names in a directory. */
  list(path: string): readonly string[];
  readLink(path: string): string;
}

export interface PlannedMount {
  readonly path: string;
  readonly source: string;
  readonly kind: 'directory' | 'file';
  readonly readOnly: boolean;
}

/**
 * A step of building a root. Paths are relative to the root and begin with `/`. A directory comes
 * before its entries, and the binds are in an order that works.
 */
export type RootStep =
  | { readonly step: 'directory'; readonly path: string }
  | { readonly step: 'file'; readonly path: string }
  | { readonly step: 'symlink'; readonly path: string; readonly target: string }
  | {
      readonly step: 'bind';
      readonly path: string;
      readonly source: string;
      readonly readOnly: boolean;
      readonly recursive: boolean;
    };

interface RootRequest {
  readonly mounts: readonly PlannedMount[];
  /** Directories that must exist, such as the working directory. */
  readonly directories: readonly string[];
  /** Top-level directories that the caller fills; they are empty in the plan. */
  readonly reserved: readonly string[];
  readonly lister: FileLister;
}

/** A directory of the root that consists of individual entries instead of one bind. */
interface Skeleton {
  readonly children: Map<string, Skeleton>;
  /** The kind of the mount point at this path, if there is one. */
  point: 'directory' | 'file' | undefined;
}

/**
 * Plans a root directory that contains this machine's file system and the mounts at their paths.
 * The plan writes only within the new root. A mount path that exists on the machine is a bind
 * target. If part of a mount path is missing, the deepest existing directory becomes a directory of
 * the new root, with each of its entries bound (or, for a link, copied). Links on the way to a
 * mount path are resolved within the root.
 */
export function planRoot(request: RootRequest): RootStep[] {
  const { lister } = request;
  const mounts = request.mounts
    .map((mount) => ({ ...mount, path: resolveLinks(mount.path, lister, request.reserved) }))
    .sort(byDepth);
  const root: Skeleton = { children: new Map(), point: undefined };
  const inside = (path: string) =>
    mounts.find((mount) => mount.kind === 'directory' && path.startsWith(`${mount.path}/`));
  for (const name of request.reserved) grow(root, `/${name}`).point ??= 'directory';
  const points = [
    ...mounts,
    ...request.directories.map((path) => ({
      path: resolveLinks(path, lister, request.reserved),
      kind: 'directory' as const,
    })),
  ];
  for (const point of points)
    if (inside(point.path) === undefined && needsSkeleton(point, request)) grow(root, point.path).point ??= point.kind;
  const steps: RootStep[] = [];
  emit('', root, request, steps);
  for (const mount of mounts)
    steps.push({ step: 'bind', path: mount.path, source: mount.source, readOnly: mount.readOnly, recursive: true });
  return steps;
}

function byDepth(a: { path: string }, b: { path: string }): number {
  return a.path.split('/').length - b.path.split('/').length;
}

/**
 * Whether the root must provide a path, because the machine does not have it with the kind that the
 * mount needs.
 */
function needsSkeleton(
  { path, kind }: { path: string; kind: 'directory' | 'file' },
  { lister, reserved }: RootRequest,
): boolean {
  if (reserved.includes(path.split('/')[1] ?? '')) return true;
  const actual = lister.kind(path);
  return kind === 'directory' ? actual !== 'directory' : actual !== 'file' && actual !== 'other';
}

function grow(root: Skeleton, path: string): Skeleton {
  return path
    .split('/')
    .filter((name) => name !== '')
    .reduce((node, name) => {
      const child = node.children.get(name) ?? { children: new Map<string, Skeleton>(), point: undefined };
      node.children.set(name, child);
      return child;
    }, root);
}

function emit(path: string, node: Skeleton, request: RootRequest, steps: RootStep[]): void {
  const { lister, reserved } = request;
  const own = path.split('/').length === 2 && reserved.includes(path.slice(1));
  const machine =
    own || lister.kind(path === '' ? '/' : path) !== 'directory' ? [] : lister.list(path === '' ? '/' : path);
  for (const [name, child] of node.children) {
    const childPath = `${path}/${name}`;
    steps.push({ step: child.point === 'file' && child.children.size === 0 ? 'file' : 'directory', path: childPath });
    if (child.children.size > 0) emit(childPath, child, request, steps);
  }
  for (const name of machine) if (!node.children.has(name)) emitMachineEntry(`${path}/${name}`, lister, steps);
}

function emitMachineEntry(path: string, lister: FileLister, steps: RootStep[]): void {
  const kind = lister.kind(path);
  if (kind === undefined) return;
  if (kind === 'symlink') {
    steps.push({ step: 'symlink', path, target: lister.readLink(path) });
    return;
  }
  steps.push({ step: kind === 'directory' ? 'directory' : 'file', path });
  steps.push({ step: 'bind', path, source: path, readOnly: false, recursive: kind === 'directory' });
}

/**
 * Resolves this machine's links on the way to a path, with the machine as the root. Components that
 * do not exist stay unchanged. Stops after 40 links, so that a cycle ends.
 */
export function resolveLinks(path: string, lister: FileLister, reserved: readonly string[] = []): string {
  let pending = posix
    .normalize(path)
    .split('/')
    .filter((name) => name !== '');
  let resolved = '';
  for (let links = 0; pending.length > 0; ) {
    const [name = '', ...rest] = pending;
    pending = rest;
    if (name === '..') {
      resolved = resolved.slice(0, Math.max(0, resolved.lastIndexOf('/')));
      continue;
    }
    const next = `${resolved}/${name}`;
    const masked = reserved.includes(next.split('/')[1] ?? '');
    if (masked || lister.kind(next) !== 'symlink' || links >= maxLinks) {
      resolved = next;
      continue;
    }
    links += 1;
    const target = lister.readLink(next);
    if (target.startsWith('/')) resolved = '';
    pending = [...target.split('/').filter((part) => part !== '' && part !== '.'), ...pending];
  }
  return resolved === '' ? '/' : resolved;
}
