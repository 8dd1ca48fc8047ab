/** What a `Retry-After` header asks for, in milliseconds. Seconds, as Kubernetes sends them; a date is not understood. */
export function parseRetryAfterMs(value: string | undefined): number | undefined {
  return value !== undefined && /^\d{1,6}$/.test(value) ? Number(value) * 1000 : undefined;
}
