/**
 * Cases for the limits of an alert: series on both sides of a limit, and when the alert fires with
 * them. A change of a limit by a fifth changes what happens in at least one of them.
 */
import { type Course, counter, gauge, hour, minute, type Series } from './promtool-series.ts';

export interface LimitCase {
  readonly title: string;
  /** The time between two samples, and between two evaluations. */
  readonly stepSeconds: number;
  readonly series: Series;
  /** The times, in seconds, at which the alert does not fire. */
  readonly silent: readonly number[];
  /** The times, in seconds, at which it fires. */
  readonly firing: readonly number[];
}

/** When the event begins that a case is about. */
export const begin = 10 * minute;
const step = 10;

/** A value of now. `of` returns the series with these samples. */
export function gaugeLimit(limit: {
  readonly well: number | undefined;
  readonly bad: number | undefined;
  readonly waitSeconds: number;
  readonly of: (samples: string) => Series;
}): LimitCase {
  const { well, bad, waitSeconds: wait, of } = limit;
  const changes = wait + begin;
  const samples = gauge({ 0: well, [changes]: bad }, changes + wait + begin, step);
  return {
    title: `fires at ${bad} after ${wait} s, and never at ${well}`,
    stepSeconds: step,
    series: of(samples),
    silent: [changes - step, changes + wait - step],
    firing: [changes + wait],
  };
}

/** The age of a time. It stands still from `begin` on. */
export function ageLimit(limit: {
  readonly aboveSeconds: number;
  readonly waitSeconds: number;
  readonly of: (samples: string) => Series;
}): LimitCase {
  const { aboveSeconds: above, waitSeconds: wait, of } = limit;
  const fires = begin + above + step + wait;
  return {
    title: `fires ${wait} s after the age is above ${above} s`,
    stepSeconds: step,
    series: of(counter({ 0: 60, [begin]: 0 }, fires + begin, step)),
    silent: [fires - step],
    firing: [fires],
  };
}

/** How often something has happened in a window. */
export function increaseLimit(limit: {
  readonly above: number;
  readonly windowSeconds: number;
  readonly waitSeconds: number;
  readonly name: string;
}): readonly LimitCase[] {
  const { above, windowSeconds: window, waitSeconds: wait, name } = limit;
  // An alert that waits as long as its window sees the event twice.
  const times = wait < window ? [begin] : [begin, begin + window / 2];
  const last = times.at(-1) ?? begin;
  const [few, many] = above === 0 ? [0, 1] : [above * 0.95, above * 1.05];
  const jumps = (by: number, at: readonly number[]): Series => {
    const course = Object.fromEntries(at.map((time, index) => [time, by * (index + 1)]));
    return { [name]: gauge({ 0: 0, ...course }, begin + 4 * window, step) };
  };
  return [
    {
      title: `fires after ${wait} s if more than ${above} happen, until they are ${window} s old`,
      stepSeconds: step,
      series: jumps(many, times),
      silent: [begin - step, begin + wait - step, last + window + step],
      firing: [begin + wait, last + window - 2 * step],
    },
    {
      title: `does not fire if fewer happen, once per window of ${window} s`,
      stepSeconds: step,
      series: jumps(few, [begin, begin + window, begin + 2 * window]),
      silent: [begin + wait, begin + window + wait, begin + 2 * window + wait],
      firing: [],
    },
  ];
}

/** Which part of something is bad in a window, or in both of two. */
export function ratioLimit(limit: {
  readonly above: number;
  readonly shortSeconds: number;
  /** @defaultValue there is one window */
  readonly longSeconds?: number;
  readonly waitSeconds: number;
  /** @defaultValue 10 */
  readonly stepSeconds?: number;
  readonly bad: string;
  readonly good: string;
}): readonly LimitCase[] {
  const { above, shortSeconds: short, longSeconds: long = short, waitSeconds: wait, stepSeconds = step } = limit;
  const start = Math.max(begin, 2 * stepSeconds);
  const ends = start + wait + long;
  const late = 2 * stepSeconds;
  const perMinute = 600;
  const rates = (bad: Course, good: Course): Series => ({
    [limit.bad]: counter(bad, ends + 2 * long, stepSeconds),
    [limit.good]: counter(good, ends + 2 * long, stepSeconds),
  });
  const during = (rate: number): Course => ({ 0: 0, [start]: rate, [ends]: 0 });
  const constant = (part: number): Series => rates(during(part * perMinute), during((1 - part) * perMinute));
  // Beside `perMinute` that are bad, these make the ratio the double and two thirds of the limit.
  const few = (0.5 * perMinute) / above - perMinute;
  const many = (1.5 * perMinute) / above - perMinute;
  const one: readonly LimitCase[] = [
    {
      title: `does not fire if a little less than ${above} is bad`,
      stepSeconds,
      series: constant(above * 0.98),
      silent: [start + wait + late, ends],
      firing: [],
    },
    {
      title: `fires after ${wait} s if a little more than ${above} is bad, until that is ${short} s ago`,
      stepSeconds,
      series: constant(above * 1.02),
      silent: [start + wait, ends + short + late],
      firing: [start + wait + late, ends + short - late],
    },
    {
      title: `compares with what was good in ${long} s: the limit is passed after half of them`,
      stepSeconds,
      series: rates({ 0: perMinute }, { 0: many, [ends]: few }),
      silent: [ends, ends + long / 2 + wait - late],
      firing: [ends + long / 2 + wait + late],
    },
  ];
  if (long === short) return one;
  return [
    ...one,
    {
      title: `compares with what was good in ${short} s as well`,
      stepSeconds,
      series: rates({ 0: perMinute }, { 0: few, [ends]: many, [ends + short]: few }),
      silent: [ends + short, ends + 1.5 * short + wait - late],
      firing: [ends - stepSeconds, ends + 1.5 * short + wait + late],
    },
    {
      title: `counts what was bad in ${long} s: the limit is passed after half of them`,
      stepSeconds,
      series: rates({ 0: 0, [ends]: (2 * above * perMinute) / (1 - above) }, { 0: perMinute }),
      silent: [ends + long / 2 + wait - late],
      firing: [ends + long / 2 + wait + late],
    },
  ];
}

/** A value that is above 0 for half an hour, and grows in it. */
export function growthLimit(name: string): LimitCase {
  const [stops, end] = [hour, 2 * hour];
  const window = 30 * minute;
  // The last 0 that counts is that of the minute before.
  const fires = begin - minute + window + step + 15 * minute;
  return {
    title: 'fires after 15 minutes in which half an hour had growing values above 0, until they are constant',
    stepSeconds: step,
    series: {
      [name]: `${gauge({ 0: 0 }, begin, step)} ${counter({ [begin]: 1, [stops]: 0 }, end, step, 1)}`,
    },
    silent: [fires - 2 * step, stops + window + step],
    firing: [fires, stops + window - 2 * minute],
  };
}
