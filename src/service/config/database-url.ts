/** Returns whether the URL of a database has a password. */
export function hasPassword(url: string): boolean {
  return /^[a-z]+:\/\/[^/?#]*:[^/?#]+@/.test(url) || /[?&]password=/.test(url);
}

/** Returns a URL that has no password with one. */
export function withPassword(url: string, password: string): string {
  const encoded = encodeURIComponent(password);
  const parsed = URL.parse(url);
  // The URL of a socket has no host, so `URL` cannot parse it or give it a password.
  if (parsed === null || parsed.hostname === '') return `${url}${url.includes('?') ? '&' : '?'}password=${encoded}`;
  parsed.password = encoded;
  return parsed.href;
}
