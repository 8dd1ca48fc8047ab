import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const build = fileURLToPath(new URL('../../../hack/tools/build', import.meta.url));
const found = new Map<string, Promise<string>>();

/** A folder of `hack/tools`: a program that examines the chart. */
export type ChartProgram = 'helm3' | 'helm4' | 'helm-unittest' | 'kubeconform' | 'kube-score';

/**
 * Returns the path of a program, which is built if it is not; that takes minutes. A program that
 * cannot be built is an error.
 */
export async function chartProgram(name: ChartProgram): Promise<string> {
  const path = found.get(name) ?? buildProgram(name);
  found.set(name, path);
  return await path;
}

async function buildProgram(name: ChartProgram): Promise<string> {
  try {
    return (await run(build, [name])).stdout.trim();
  } catch (error) {
    throw new Error(`hack/tools/build ${name} failed, which needs Go`, { cause: error });
  }
}

/** What a program printed, and how it ended. */
export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program of the chart. A status other than 0 is a result; a program that does not start is an error. */
export async function runChartProgram(
  name: ChartProgram,
  args: readonly string[],
  { input = '', env = {} }: { readonly input?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Outcome> {
  const program = await chartProgram(name);
  return await new Promise((resolve, reject) => {
    const options = { maxBuffer: 256 << 20, env: { ...process.env, ...env } };
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve({ status: 0, stdout, stderr });
      else if (typeof error.code === 'number') resolve({ status: error.code, stdout, stderr });
      else reject(new Error(`${program} ${args.join(' ')}: ${error.message}`, { cause: error }));
    });
    // A program that reads nothing and ends closes the pipe: its status says how it went.
    child.stdin?.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') reject(error);
    });
    child.stdin?.end(input);
  });
}
