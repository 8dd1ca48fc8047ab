import { existsSync, readFileSync } from 'node:fs';

import { titlesOf } from '../../support/test-titles.ts';

export const root = new URL('../../../', import.meta.url);
export const textOf = (path: string): string => readFileSync(new URL(path, root), 'utf8');

/** Paths in the documents are relative to `test/`, except those of the chart. */
export const fromRoot = (path: string): string => (path.startsWith('charts/') ? path : `test/${path}`);

/** A file and a part of the title of one of its tests. */
export interface Reference {
  readonly path: string;
  readonly title: string;
}

/** Returns the references of a text: a path in a code span, followed by titles in quotation marks. */
export function referencesOf(text: string): readonly Reference[] {
  return [...text.matchAll(/`([\w./-]+\.(?:ts|ya?ml))`((?:,? "[^"]+")+)/g)].flatMap(([, path = '', titles = '']) =>
    [...titles.matchAll(/"([^"]+)"/g)].map(([, title = '']) => ({ path: fromRoot(path), title })),
  );
}

/** Whether the file exists, and one of its tests has the title. Apostrophes of both kinds are equal. */
export function isProved({ path, title }: Reference): boolean {
  if (!existsSync(new URL(path, root))) return false;
  const source = textOf(path);
  const titles = path.endsWith('.ts') ? titlesOf(source) : [source];
  const plain = (text: string): string => text.replaceAll('’', "'");
  return titles.some((each) => plain(each).includes(plain(title)));
}
