/** The powers of ten of the decimal suffixes. */
const decimal: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
/** The powers of two of the binary suffixes. */
const binary: Readonly<Record<string, number>> = { Ki: 10, Mi: 20, Gi: 30, Ti: 40, Pi: 50, Ei: 60 };
const pattern = /^\+?(\d{1,40})?(?:\.(\d{0,40}))?(?:[eE]([+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i))?$/;

/**
 * Returns the amount of a Kubernetes quantity, such as `500m`, `2Gi` or `1e3`, in thousandths or in
 * whole units. Rounds up to a whole number, as Kubernetes does. Exact up to 2^53. Returns
 * `undefined` for any other text, and for a negative amount, which no resource has.
 */
export function quantityIn(text: string, unit: 'milli' | 'one'): number | undefined {
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const [, whole = '', fraction = '', exponent = '0', suffix = ''] = match;
  if (whole + fraction === '') return undefined;
  const tens = Number(exponent) + (decimal[suffix] ?? 0) - fraction.length + (unit === 'milli' ? 3 : 0);
  const scaled = BigInt(whole + fraction) * 2n ** BigInt(binary[suffix] ?? 0) * 10n ** BigInt(Math.max(0, tens));
  const divisor = 10n ** BigInt(Math.max(0, -tens));
  return Number((scaled + divisor - 1n) / divisor);
}
