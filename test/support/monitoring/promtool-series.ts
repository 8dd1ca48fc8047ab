export const minute = 60;
export const hour = 60 * minute;

/**
 * From a time in seconds on, the value of a gauge or the growth per minute of a counter. `undefined`:
 * the series is gone.
 */
export type Course = Readonly<Record<number, number | undefined>>;

/** Series and their samples, in the notation of promtool. */
export type Series = Readonly<Record<string, string>>;

const replica = 'namespace="ci",job="kw",instance="a:1"';

/** Returns the selector of a series of the one replica that is scraped. */
export function series(name: string, labels = ''): string {
  return `${name}{${replica}${labels === '' ? '' : `,${labels}`}}`;
}

/** Returns the samples of a gauge up to `end`. */
export function gauge(course: Course, end: number, stepSeconds: number): string {
  return withCounts(course, end, stepSeconds)
    .map(({ value, count }) => (value === undefined ? `stale _x${count - 1}` : `${value}x${count - 1}`))
    .join(' ');
}

/** Returns the samples of a counter up to `end`. */
export function counter(course: Course, end: number, stepSeconds: number, first = 0): string {
  let total = first;
  return withCounts(course, end, stepSeconds)
    .map(({ value: perMinute = 0, count }) => {
      const each = (perMinute * stepSeconds) / minute;
      const text = `${total}${each < 0 ? '' : '+'}${each}x${count - 1}`;
      total += each * count;
      return text;
    })
    .join(' ');
}

function withCounts(
  course: Course,
  end: number,
  stepSeconds: number,
): readonly { readonly value: number | undefined; readonly count: number }[] {
  const changes = Object.entries(course).map(([from, value]) => ({ from: Number(from), value }));
  return changes.map(({ from, value }, index) => {
    const until = changes[index + 1]?.from ?? end;
    return { value, count: Math.round((until - from) / stepSeconds) };
  });
}
