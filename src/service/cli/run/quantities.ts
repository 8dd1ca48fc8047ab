import { UsageError } from '../cli-error.ts';

const factors: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
  Ti: 1024 ** 4,
};

/** Reads a number of CPUs, such as `2`, `0.5` or `500m`, in thousandths. @throws UsageError */
export function cpuMilli(text: string): number {
  const [, number, milli] = /^([0-9]+(?:\.[0-9]+)?)(m?)$/.exec(text) ?? [];
  const value = Math.round(Number(number) * (milli === 'm' ? 1 : 1000));
  if (number === undefined || value < 1) throw new UsageError(`--cpu: ${text} is not like 2, 0.5 or 500m`);
  return value;
}

/** Reads a number of bytes, such as `512Mi`, `1.5Gi` or `1000000`. @throws UsageError */
export function memoryBytes(text: string): number {
  const [, number, unit = ''] = /^([0-9]+(?:\.[0-9]+)?)([a-zA-Z]*)$/.exec(text) ?? [];
  const factor = factors[unit];
  if (number === undefined || factor === undefined || Number(number) <= 0)
    throw new UsageError(`--memory: ${text} is not like 512Mi or 2Gi`);
  return Math.round(Number(number) * factor);
}
