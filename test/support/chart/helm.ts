import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { type Outcome, runChartProgram } from './programs.ts';
import { parseObjects, type RenderedObject } from './rendered-object.ts';
import { type Values, writeValues } from './values.ts';

/** The folder of the chart. */
export const chartFolder: string = fileURLToPath(new URL('../../../charts/kubernetes-worker', import.meta.url));

/** The name of a file `ci/NAME-values.yaml` of the chart. */
export type Profile = string;

/** The names of the chart's profiles. */
export const profiles: readonly Profile[] = readdirSync(join(chartFolder, 'ci'))
  .filter((file) => file.endsWith('-values.yaml'))
  .map((file) => basename(file, '-values.yaml'))
  .sort();

/** Returns the file with the values of a profile. */
export function profileFile(profile: Profile): string {
  return join(chartFolder, 'ci', `${profile}-values.yaml`);
}

/** A major version of Helm. The chart works with both. */
export type HelmVersion = 3 | 4;

/** Helm ended with another status than 0. Its message is what Helm wrote. */
export class HelmError extends Error {
  readonly status: number;
  readonly stdout: string;

  constructor(args: readonly string[], { status, stdout, stderr }: Outcome) {
    super(`helm ${args.join(' ')}: ${stderr.trim()}`);
    this.status = status;
    this.stdout = stdout;
  }
}

export interface HelmOptions {
  /** @defaultValue 4 */
  readonly version?: HelmVersion;
  /** Variables beside those of this process, such as `KUBECONFIG`. */
  readonly env?: NodeJS.ProcessEnv;
}

/** Runs Helm and returns what it printed. Rejects with a `HelmError` if it fails. */
export async function helm(args: readonly string[], { version = 4, env = {} }: HelmOptions = {}): Promise<string> {
  const outcome = await runChartProgram(`helm${version}`, args, { env });
  if (outcome.status !== 0) throw new HelmError(args, outcome);
  return outcome.stdout;
}

export interface RenderOptions {
  /** The folder of the chart. @defaultValue the one of this repository */
  readonly chart?: string | undefined;
  /** The values of a profile. @defaultValue none: those of the chart */
  readonly profile?: Profile | undefined;
  /** Files with values, which precede those of the profile. @defaultValue none */
  readonly files?: readonly string[] | undefined;
  /** Values that precede those of all files. @defaultValue none */
  readonly values?: Values | undefined;
  /** @defaultValue `kw` */
  readonly release?: string | undefined;
  /** @defaultValue `ci` */
  readonly namespace?: string | undefined;
  /** @defaultValue 4 */
  readonly version?: HelmVersion | undefined;
  /** The version of Kubernetes. @defaultValue `1.34.0` */
  readonly kubeVersion?: string | undefined;
  /** Further arguments of `helm template`. */
  readonly args?: readonly string[] | undefined;
}

/** Returns the manifests of the chart as text. Rejects with a `HelmError` if the chart refuses the values. */
export async function renderText({ profile, files = [], values, ...options }: RenderOptions = {}): Promise<string> {
  await using last = values === undefined ? undefined : await writeValues(values);
  const {
    chart = chartFolder,
    release = 'kw',
    namespace = 'ci',
    version = 4,
    kubeVersion = '1.34.0',
    args = [],
  } = options;
  const all = [...(profile === undefined ? [] : [profileFile(profile)]), ...files, ...(last ? [last.path] : [])];
  const target = ['template', release, chart, '--namespace', namespace, '--kube-version', kubeVersion];
  return await helm([...target, ...all.flatMap((path) => ['--values', path]), ...args], { version });
}

/** Returns the objects of the chart, hooks and tests included. */
export async function render(options: RenderOptions = {}): Promise<readonly RenderedObject[]> {
  return parseObjects(await renderText(options));
}
