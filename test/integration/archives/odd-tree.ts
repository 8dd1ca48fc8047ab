import { randomBytes } from 'node:crypto';

import type { TreeEntry } from '../agent/tar-tree.ts';

const path = (text: string): Buffer => Buffer.from(text);
/** A name that needs a header of its own. */
export const long: string = 'a-long-name-'.repeat(15);

/** A tree with odd names, modes and links. Folders precede their content. */
export const oddTree: readonly TreeEntry[] = [
  { path: path('a-first'), kind: 'file', mode: 0o644, mtime: 1_700_000_000.5, content: path('the first name') },
  { path: path('dir'), kind: 'folder', mode: 0o750, mtime: 1_600_000_000 },
  { path: path('dir/empty'), kind: 'folder', mode: 0o700, mtime: 1 },
  { path: path('dir/file'), kind: 'file', mode: 0o755, mtime: 1_700_000_001, content: path('executable') },
  { path: path('dir/inside'), kind: 'hardlink', mtime: 0, target: path('dir/file') },
  { path: path('dir/outside'), kind: 'hardlink', mtime: 0, target: path('a-first') },
  { path: path('dir/outside-again'), kind: 'hardlink', mtime: 0, target: path('a-first') },
  { path: path('dir/link'), kind: 'symlink', mtime: 1_500_000_000, target: path('../a-first') },
  { path: path(`dir/${long}`), kind: 'folder', mode: 0o755, mtime: 2 },
  { path: path(`dir/${long}/${long}`), kind: 'file', mode: 0o600, mtime: 3, content: path('deep') },
  { path: path(`dir/${long}/to`), kind: 'symlink', mtime: 3, target: path(long) },
  { path: path('empty'), kind: 'file', mode: 0o644, mtime: 4, content: path('') },
  { path: path('große Tür 東京'), kind: 'file', mode: 0o644, mtime: 5, content: path('unicode') },
  { path: Buffer.from([0x6e, 0xff, 0xfe, 0x0a]), kind: 'file', mode: 0o400, mtime: 6, content: path('bytes') },
  { path: path('noise'), kind: 'file', mode: 0o644, mtime: 7, content: randomBytes(1_000_000) },
  { path: path('text'), kind: 'file', mode: 0o644, mtime: 8, content: Buffer.alloc(1_000_000, 'all the same ') },
  { path: path('through'), kind: 'symlink', mtime: 9, target: path('dir') },
];
