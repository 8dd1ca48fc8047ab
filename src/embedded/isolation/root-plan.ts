import { posix } from 'node:path';

const maxLinks = 40;

/** What is at a path of this machine. */
export type FileKind = 'directory' | 'file' | 'symlink' | 'other';

/** The part of the machine's file system that planning looks at. Never follows the last component. */
export interface FileLister {
  kind(path: string): FileKind | undefined;
  /** Names in a directory. */
  list(path: string): readonly string[];
  readLink(path: string): string;
}

export interface PlannedMount {
  readonly path: string;
  readonly source: string;
  readonly kind: 'directory' | 'file';
  readonly readOnly: boolean;
}

/** A step of building a root: paths are relative to it and begin with `/`. Directories come before what is in them, binds in an order that may be followed. */
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
  /** Directories that must be there, such as the working directory. */
  readonly directories: readonly string[];
  /** Top-level names that the caller fills itself: empty directories in the plan. */
  readonly reserved: readonly string[];
  readonly lister: FileLister;
}

/** A directory of the root that is put together from parts instead of being bound as a whole. */
interface Skeleton {
  readonly children: Map<string, Skeleton>;
  /** A mount point at this path. */
  point: 'directory' | 'file' | undefined;
}

/**
 * Plans a root directory that shows this machine's file system with mounts at their paths, without writing anything outside the new root. A
 * mount path that exists on the machine is bound over; where a part of it is missing, the deepest directory that exists becomes a directory of the
 * new root, with everything in it bound (or, for links, copied) one by one. Links on the way to a mount path are followed within the root.
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
  const wanted = [
    ...mounts,
    ...request.directories.map((path) => ({
      path: resolveLinks(path, lister, request.reserved),
      kind: 'directory' as const,
    })),
  ];
  for (const point of wanted)
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

/** Whether a path isn't there on the machine in the form that a mount needs, so that the root must provide it. */
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

/** Follows the links of this machine on the way to a path, as if it were the root; what doesn't exist stays as it is. */
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
