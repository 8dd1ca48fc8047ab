import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Values of the chart, in their nested form. */
export interface Values {
  readonly [key: string]: unknown;
}

/** Values in a file of their own, which is deleted with the object. */
export interface ValuesFile extends AsyncDisposable {
  readonly path: string;
}

/** Writes values to a temporary file for `helm --values`. */
export async function writeValues(values: Values): Promise<ValuesFile> {
  const folder = await mkdtemp(join(tmpdir(), 'kw-values-'));
  const path = join(folder, 'values.yaml');
  // JSON is YAML.
  await writeFile(path, JSON.stringify(values));
  return { path, [Symbol.asyncDispose]: async () => await rm(folder, { recursive: true }) };
}
