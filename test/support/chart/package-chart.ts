import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chartFolder, helm } from './helm.ts';

/** A packaged chart, which is deleted with the object. */
export interface PackagedChart extends AsyncDisposable {
  readonly path: string;
}

/** Packages the chart of this checkout as another version of it. */
export async function packageChart(version: string): Promise<PackagedChart> {
  const folder = await mkdtemp(join(tmpdir(), 'kw-chart-'));
  await helm(['package', chartFolder, '--version', version, '--app-version', version, '--destination', folder]);
  return {
    path: join(folder, `kubernetes-worker-${version}.tgz`),
    [Symbol.asyncDispose]: async () => await rm(folder, { recursive: true }),
  };
}
