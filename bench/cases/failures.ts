// Measures the seconds from the moment when the cluster shows a failure until the host has its
// error. The first sight is that of a watch beside the library's; where no status shows the failure
// it is the provocation. Also checks the code of each error, and whether it is retryable.
// Needs KUBECONFIG, and kubectl on PATH.
//   npm run bench -- failures
import { isKubernetesWorkerError } from '../../src/errors/error-code.ts';
import type { Failure } from '../failures/failure.ts';
import { FailureCluster } from '../failures/failure-cluster.ts';
import { outages } from '../failures/outages.ts';
import { podFailures } from '../failures/pod-failures.ts';
import type { BenchCase, Benchmark } from '../harness/benchmark.ts';
import { requireRealCluster } from '../harness/real-cluster.ts';

function caseOf({ what, code, retryable, provoke, shows, pairs = 3 }: Failure, cluster: FailureCluster): BenchCase {
  const outcome = code === undefined ? 'no failure' : `${code}, ${retryable ? '' : 'not '}retryable`;
  return {
    name: `${what}: ${outcome}`,
    unit: 's',
    better: 'lower',
    pairs,
    warmUps: 0,
    ours: async () => {
      const { error, podName = '', provokedMs, detectedMs } = await provoke(cluster);
      requireOutcome(error, code, retryable);
      const shownMs = shows === undefined ? provokedMs : await cluster.sightings.first(podName, shows);
      // The library's watch may be the first to receive the event.
      return Math.max(0, detectedMs - shownMs) / 1000;
    },
  };
}

/** Throws unless the error is the expected one. */
function requireOutcome(error: unknown, code: string | undefined, retryable: boolean): void {
  const isExpected =
    code === undefined
      ? error === undefined
      : isKubernetesWorkerError(error) && error.code === code && error.retryable === retryable;
  if (!isExpected) throw new Error(`the failure was not reported as ${code ?? 'no failure'}`, { cause: error });
}

export const benchmark: Benchmark = {
  settings: {
    image: { value: 'registry.local/busybox:1', meaning: 'of the pods: with a shell and tail' },
    registry: { value: 'registry.local', meaning: 'the host of a registry; its port 5001 needs a login' },
    outages: {
      value: '',
      meaning: 'a folder with the programs `node` and `api`, which stop parts of the cluster; none: no such failures',
    },
  },
  open: async ({ setting }) => {
    const [image, folder] = [setting('image'), setting('outages')];
    const cluster = await FailureCluster.open(requireRealCluster(), image);
    const failures = [...podFailures(image, setting('registry')), ...(folder === '' ? [] : outages(folder))];
    return {
      cases: failures.map((failure) => caseOf(failure, cluster)),
      [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
    };
  },
};
