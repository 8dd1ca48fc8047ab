import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect } from 'chai';
import { parse } from 'yaml';

import { chartFolder, renderText } from '../../support/chart/helm.ts';
import { parseObjects } from '../../support/chart/rendered-object.ts';
import { type ValueChange, valueChanges } from '../../support/chart/value-changes.ts';
import { everyKeyFiles } from '../../support/chart/value-sets.ts';
import type { Values } from '../../support/chart/values.ts';

const defaults = parse(readFileSync(join(chartFolder, 'values.yaml'), 'utf8')) as Values;
const leaves = leavesOf(defaults);

// A value that no template reads looks like one that works.
describe('every value of the chart changes its manifests', () => {
  const outcomes = new Map<string, Promise<Outcome>>();

  before(() => {
    // Two at once, since a rendering takes one processor.
    let queues: readonly Promise<unknown>[] = [Promise.resolve(), Promise.resolve()];
    for (const [path, value] of leaves) {
      const [first = Promise.resolve(), ...others] = queues;
      const outcome = first.then(async () => await changeOf(path, value));
      outcomes.set(path, outcome);
      queues = [...others, outcome.catch(() => undefined)];
    }
  });

  for (const [path] of leaves)
    it(path, async () => {
      const { before, after } = await outcomes.get(path)!;
      expect(parseObjects(after)).not.to.deep.equal([]);
      expect(after === before, 'the manifests are the same').to.equal(false);
    });

  it('and the changes are those of keys that exist', () => {
    expect(leaves.map(([path]) => path)).to.include.members(Object.keys(valueChanges));
  });
});

interface Outcome {
  readonly before: string;
  readonly after: string;
}

const bases = new Map<string, Promise<string>>();

async function changeOf(path: string, value: unknown): Promise<Outcome> {
  const { to, with: context = {} } = valueChanges[path] ?? defaultChange(path, value);
  const key = JSON.stringify(context);
  const base = bases.get(key) ?? rendered(context);
  bases.set(key, base);
  return { before: await base, after: await rendered(withValue(context, path.split('.'), to)) };
}

async function rendered(values: Values): Promise<string> {
  const usesConfig = values['config'] !== null;
  const files = usesConfig ? everyKeyFiles : everyKeyFiles.slice(0, 1);
  const { config, ...others } = values;
  return await renderText({ files, values: usesConfig && config !== undefined ? values : others });
}

function defaultChange(path: string, value: unknown): ValueChange {
  if (typeof value === 'boolean') return { to: !isOn(path, value) };
  if (typeof value === 'number') return { to: value + 1 };
  if (typeof value === 'string') return { to: 'another' };
  throw new Error(`${path} has no change in test/support/chart/value-changes.ts`);
}

/** Whether a switch is on with the values of every key. */
function isOn(path: string, byDefault: boolean): boolean {
  const set = everyKeyFiles.map((file) => valueAt(parse(readFileSync(file, 'utf8')) as Values, path.split('.')));
  return (set.find((value) => value !== undefined) as boolean | undefined) ?? byDefault;
}

function valueAt(values: unknown, [key, ...rest]: readonly string[]): unknown {
  if (key === undefined) return values;
  return typeof values === 'object' && values !== null ? valueAt((values as Values)[key], rest) : undefined;
}

function withValue(values: Values, [key = '', ...rest]: readonly string[], to: unknown): Values {
  const child = values[key];
  const nested = typeof child === 'object' && child !== null ? (child as Values) : {};
  return { ...values, [key]: rest.length === 0 ? to : withValue(nested, rest, to) };
}

/** Returns the paths of values that have no keys of the chart below them. */
function leavesOf(values: Values, prefix = ''): readonly (readonly [path: string, value: unknown])[] {
  return Object.entries(values).flatMap(([key, value]) => {
    const isGroup =
      typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0;
    return isGroup ? leavesOf(value as Values, `${prefix}${key}.`) : [[`${prefix}${key}`, value] as const];
  });
}
