/**
 * Returns the delay of a `Retry-After` header in milliseconds. Supports seconds, which Kubernetes
 * sends, but not dates.
 */
export function parseRetryAfterMs(value: string | undefined): number | undefined {
  return value !== undefined && /^\d{1,6}$/.test(value) ? Number(value) * 1000 : undefined;
}
