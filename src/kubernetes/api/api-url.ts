/** Query parameters. `undefined` values are left out; a list repeats its parameter. */
export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/**
 * Returns the URL of an API path, given as unencoded segments. A path in the server's own URL is
 * kept as a prefix.
 */
export function apiUrl(server: string, path: readonly string[], query: Query = {}): URL {
  const url = new URL(server);
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/${path.map(encodeURIComponent).join('/')}`;
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    for (const item of [value].flat()) url.searchParams.append(name, String(item));
  }
  return url;
}
