import { fileURLToPath } from 'node:url';

import { type Profile, profiles, type RenderOptions, render } from './helm.ts';
import type { RenderedObject } from './rendered-object.ts';
import type { Values } from './values.ts';

/** Files with a value for every key of the chart that takes one. */
export const everyKeyFiles: readonly string[] = [valuesFile('every-key'), valuesFile('config')];

/** Values with a name, which the tests of all manifests go through. */
export interface ValueSet {
  readonly name: string;
  readonly options: RenderOptions;
}

/** The profiles, and what they do not reach. */
export const valueSets: readonly ValueSet[] = [
  ...profiles.map((profile: Profile) => ({ name: profile, options: { profile } })),
  everyKey('every key'),
  everyKey('every key, a Rollout', { rollout: { enabled: true } }),
  everyKey('every key, a token of the status API', { config: { status: { auth: 'token' } } }),
  {
    name: 'every key, a config map of the user',
    options: { files: [valuesFile('every-key')], values: { existingConfigMap: 'own' } },
  },
];

function everyKey(name: string, values: Values = {}): ValueSet {
  return { name, options: { files: everyKeyFiles, values } };
}

function valuesFile(name: string): string {
  return fileURLToPath(new URL(`../../chart/values/${name}.yaml`, import.meta.url));
}

/** Declares a test of the objects of each value set. */
export function forEachValueSet(
  title: string,
  check: (objects: readonly RenderedObject[], set: ValueSet) => void | Promise<void>,
): void {
  for (const set of valueSets) it(`${title}: ${set.name}`, async () => check(await objectsOf(set), set));
}

const rendered = new Map<ValueSet, Promise<readonly RenderedObject[]>>();

/** Returns the objects of a value set, which is rendered once. */
export async function objectsOf(set: ValueSet): Promise<readonly RenderedObject[]> {
  const objects = rendered.get(set) ?? render(set.options);
  rendered.set(set, objects);
  return await objects;
}
