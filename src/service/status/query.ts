import { HttpError } from './http/http-error.ts';

/**
 * Returns the parameters of a query by name.
 *
 * @throws HttpError - a parameter is unknown, or there more than once
 */
export function fieldsOf<const Names extends readonly string[]>(
  query: URLSearchParams,
  names: Names,
): Readonly<Partial<Record<Names[number], string>>> {
  const fields = new Map<string, string>();
  for (const [name, value] of query) {
    if (!names.includes(name)) throw invalid(printable(name), `is not one of: ${names.join(', ') || 'none'}`);
    if (fields.has(name)) throw invalid(name, 'is there more than once');
    fields.set(name, value);
  }
  return Object.fromEntries(fields) as Partial<Record<Names[number], string>>;
}

/** Returns a whole number from `min` to `max`; `undefined` if the parameter is missing. */
export function wholeNumber(
  name: string,
  text: string | undefined,
  { min, max }: { readonly min: number; readonly max: number },
): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value) || value < min || value > max)
    throw invalid(name, `is not a whole number from ${min} to ${max}`);
  return value;
}

/** Returns one of the values; `undefined` if the parameter is missing. */
export function oneOf<const Value extends string>(
  name: string,
  text: string | undefined,
  values: readonly Value[],
): Value | undefined {
  if (text === undefined) return undefined;
  const found = values.find((value) => value === text);
  if (found === undefined) throw invalid(name, `is not one of: ${values.join(', ')}`);
  return found;
}

/** Returns whether a flag is set: `follow`, `follow=true` or `follow=1`. */
export function flag(name: string, text: string | undefined): boolean {
  return oneOf(name, text, ['', '1', 'true', '0', 'false']) !== undefined && text !== '0' && text !== 'false';
}

/** Returns a handle. */
export function handleOf(name: string, text: string | undefined): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/.test(text ?? ''))
    throw invalid(name, 'is not 1 to 253 characters of [A-Za-z0-9._-]');
  return text ?? '';
}

/** The limit of a page: 1 to 1,000. */
export function pageLimit(text: string | undefined): number | undefined {
  return wholeNumber('limit', text, { min: 1, max: 1_000 });
}

export function invalid(name: string, problem: string): HttpError {
  return new HttpError('KW_HTTP_BAD_REQUEST', `${name}: ${problem}`);
}

/** Values of clients are not repeated, names are: shortened, without control characters. */
function printable(name: string): string {
  return name.replace(/[^\x21-\x7e]/g, '?').slice(0, 40);
}
