/** Maps a path of the container to the directory or file behind it. */
export interface PathMapping {
  readonly from: string;
  readonly to: string;
}

/** Orders mappings so that the first match is the most specific one. */
function orderMappings(mappings: readonly PathMapping[]): PathMapping[] {
  return mappings
    .filter(({ from }) => from !== '/')
    .sort((a, b) => b.from.length - a.from.length || (a.from < b.from ? -1 : 1));
}

/**
 * Replaces each path of the container in a text by the path behind it. A path matches only on its
 * own, not as part of a longer name or path: `/work` matches in `/work`, `/work/a`, `--dir=/work`
 * and `"/work"`, and does not match in `/workshop` or `/home/work`. A path that a program assembles
 * itself is not mapped.
 */
export function mapPaths(text: string, mappings: readonly PathMapping[]): string {
  const ordered = orderMappings(mappings);
  if (ordered.length === 0) return text;
  const alternatives = ordered.map(({ from }) => from.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|');
  const targets = new Map(ordered.map(({ from, to }) => [from, to]));
  return text.replace(
    new RegExp(`(?<![A-Za-z0-9._/~-])(?:${alternatives})(?=$|[^A-Za-z0-9._-]|[.](?:$|[^A-Za-z0-9._-]))`, 'g'),
    (match) => targets.get(match) ?? match,
  );
}

/**
 * Returns the value of `KW_PATH_MAP`: a line `from<TAB>to` for each path, the longest path first.
 */
export function pathMapVariable(mappings: readonly PathMapping[]): string {
  return orderMappings(mappings)
    .map(({ from, to }) => `${from}\t${to}\n`)
    .join('');
}
