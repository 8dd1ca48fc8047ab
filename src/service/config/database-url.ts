/** Returns whether the URL of a database has a password. */
export function hasPassword(url: string): boolean {
  return /^[a-z]+:\/\/[^/?#]*:[^/?#]+@/.test(url) || /[?&]password=/.test(url);
}

/** Returns the URL with a password, which replaces none: it is added as a parameter. */
export function withPassword(url: string, password: string): string {
  return `${url}${url.includes('?') ? '&' : '?'}password=${encodeURIComponent(password)}`;
}
