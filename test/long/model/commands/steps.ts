import fc from 'fast-check';

import type { Outcome } from '../system/gate.ts';
import { longMs, type Setting } from '../system/replica.ts';
import type { Outage } from '../system/world.ts';

/** One step of a model. Numbers select among what exists, so that a step has a meaning in any state. */
export type Step =
  | { readonly do: 'deliver'; readonly picks: readonly number[] }
  | { readonly do: 'fault'; readonly pick: number; readonly outcome: 'refused' | 'lost' | 'late' }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'lag'; readonly ms: number }
  | { readonly do: 'set clock'; readonly replica: number; readonly byMs: number }
  | { readonly do: 'crash'; readonly replica: number; readonly lands: number }
  | { readonly do: 'suspend'; readonly replica: number }
  | { readonly do: 'resume'; readonly replica: number; readonly answers: number }
  | { readonly do: 'outage'; readonly outage: Outage }
  | { readonly do: 'delete a pod'; readonly pick: number }
  | { readonly do: 'end a command'; readonly pick: number }
  | Overtaking
  | FaultySweep
  | { readonly do: 'build'; readonly replica: number; readonly owner: number; readonly process: number }
  | { readonly do: 'create'; readonly replica: number; readonly owner: number; readonly spec: number }
  | { readonly do: 'create twice'; readonly owner: number }
  | { readonly do: 'run'; readonly replica: number; readonly owner: number; readonly process: number }
  | { readonly do: 'hijack'; readonly replica: number; readonly owner: number }
  | { readonly do: 'take the result'; readonly replica: number; readonly owner: number; readonly process: number }
  | { readonly do: 'finish'; readonly replica: number; readonly owner: number; readonly how: Finishing }
  | { readonly do: 'create a volume'; readonly replica: number }
  | {
      readonly do: 'copy a volume';
      readonly replica: number;
      readonly volume: number;
      readonly store: 'pod' | 'store';
    }
  | { readonly do: 'stream in'; readonly replica: number; readonly volume: number; readonly content: number }
  | { readonly do: 'stream out'; readonly replica: number; readonly volume: number }
  | { readonly do: 'expire'; readonly replica: number; readonly volume: number }
  | { readonly do: 'keep a task cache'; readonly replica: number; readonly volume: number }
  | { readonly do: 'keep a resource cache'; readonly replica: number; readonly volume: number; readonly key: number }
  | { readonly do: 'use a resource cache'; readonly replica: number; readonly key: number }
  | { readonly do: 'invalidate a resource cache'; readonly replica: number; readonly key: number }
  | { readonly do: 'make an artifact'; readonly replica: number; readonly content: number }
  | StreamInTheWay
  | RaceForCache
  | { readonly do: 'report'; readonly replica: number; readonly expiresInMs: number }
  | { readonly do: 'sweep'; readonly replica: number };

/** How a host finishes an owner. */
export type Finishing = 'for now' | 'for good' | 'keeping';

/** A volume is read to its end only after it was expired or its container's owner has finished, and swept. */
export interface StreamInTheWay {
  readonly do: 'sweep during a stream';
  readonly replica: number;
  readonly owner: number;
  readonly volume: number;
  /** How many calls proceed before the sweep. */
  readonly before: number;
}

/** Both replicas make a new volume the cache of a resource. */
export interface RaceForCache {
  readonly do: 'race for a cache';
  readonly key: number;
  readonly volume: number;
  /** The order of the calls. */
  readonly picks: readonly number[];
}

/** A holder is suspended in the middle of its work, another one overtakes it, and it continues. */
export interface Overtaking {
  readonly do: 'overtake';
  readonly replica: number;
  readonly owner: number;
  /** How many calls the first holder makes before, and the second one meanwhile. */
  readonly before: number;
  readonly between: number;
  /** How many answers the first holder receives before its timers fire. */
  readonly answers: number;
}

/** A sweep after an owner has finished, with these outcomes of its calls. */
export interface FaultySweep {
  readonly do: 'sweep with faults';
  readonly replica: number;
  readonly owner: number;
  readonly outcomes: readonly Outcome[];
}

export const owners = ['o1', 'o2'];

const any = fc.nat({ max: 1_000 });
const replica = fc.nat({ max: 1 });
const owner = fc.nat({ max: owners.length - 1 });
const outcome = fc.constantFrom<Outcome>('done', 'done', 'done', 'refused', 'lost', 'late');
const process = fc.nat({ max: 1 });
const key = fc.nat({ max: 1 });

function step<Kind extends Step['do']>(
  kind: Kind,
  weight: number,
  fields: {
    [Field in keyof Omit<Extract<Step, { do: Kind }>, 'do'>]: fc.Arbitrary<Extract<Step, { do: Kind }>[Field]>;
  },
): fc.WeightedArbitrary<Step> {
  const arbitrary = fc.record({ do: fc.constant(kind), ...fields }) as unknown as fc.Arbitrary<Step>;
  return { weight, arbitrary };
}

const arbitraryStep: fc.Arbitrary<Step> = fc.oneof(
  step('deliver', 30, { picks: fc.array(any, { minLength: 1, maxLength: 16, size: 'max' }) }),
  step('fault', 8, { pick: any, outcome: fc.constantFrom('refused', 'lost', 'late') }),
  step('pass', 8, { ms: fc.constantFrom(100, 300, 1_000, 4_000, 11_000, 45_000) }),
  step('pass', 1, { ms: fc.constantFrom(150_000, 700_000, 1_000_000) }),
  step('lag', 1, { ms: fc.constantFrom(1_000, 11_000) }),
  step('set clock', 2, { replica, byMs: fc.constantFrom(-3_600_000, -11_000, 11_000, 3_600_000) }),
  step('crash', 3, { replica, lands: any }),
  step('suspend', 1, { replica }),
  step('resume', 4, { replica, answers: fc.nat({ max: 4 }) }),
  step('outage', 2, { outage: fc.constantFrom<Outage>('none', 'none', 'api', 'database', 'standby', 'store') }),
  step('delete a pod', 1, { pick: any }),
  step('end a command', 5, { pick: any }),
  step('overtake', 7, {
    replica,
    owner,
    before: fc.nat({ max: 14 }),
    between: fc.nat({ max: 30 }),
    answers: fc.nat({ max: 4 }),
  }),
  step('sweep with faults', 5, { replica, owner, outcomes: fc.array(outcome, { maxLength: 8, size: 'max' }) }),
  step('build', 6, { replica, owner, process }),
  step('create', 4, { replica, owner, spec: fc.constantFrom(0, 0, 0, 1) }),
  step('create twice', 3, { owner }),
  step('run', 4, { replica, owner, process }),
  step('hijack', 1, { replica, owner }),
  step('take the result', 2, { replica, owner, process }),
  step('finish', 2, { replica, owner, how: fc.constantFrom<Finishing>('for now', 'for now', 'for good', 'keeping') }),
  step('create a volume', 2, { replica }),
  step('stream in', 3, { replica, volume: any, content: fc.nat({ max: 3 }) }),
  step('stream out', 2, { replica, volume: any }),
  step('expire', 1, { replica, volume: any }),
  step('copy a volume', 2, { replica, volume: any, store: fc.constantFrom('pod', 'store') }),
  step('keep a task cache', 2, { replica, volume: any }),
  step('keep a resource cache', 2, { replica, volume: any, key }),
  step('use a resource cache', 2, { replica, key }),
  step('invalidate a resource cache', 1, { replica, key }),
  step('make an artifact', 4, { replica, content: fc.nat({ max: 3 }) }),
  step('sweep during a stream', 4, { replica, owner, volume: any, before: fc.nat({ max: 30 }) }),
  step('race for a cache', 2, { volume: any, key, picks: fc.array(any, { maxLength: 16, size: 'max' }) }),
  step('report', 3, { replica, expiresInMs: fc.constantFrom(60_000, 3_600_000) }),
  step('sweep', 4, { replica }),
);

/** Worlds with and without an archive store, and with artifacts that expire soon or never. */
export const arbitrarySetting: fc.Arbitrary<Setting> = fc.record({
  hasStore: fc.boolean(),
  artifactTimeToLiveMs: fc.constantFrom(120_000, longMs),
});

/** Sequences of steps. A shorter one may be a counterexample too. */
export function arbitrarySteps(maxLength: number, minLength = 1): fc.Arbitrary<readonly Step[]> {
  return fc.array(arbitraryStep, { minLength, maxLength, size: 'max' });
}
