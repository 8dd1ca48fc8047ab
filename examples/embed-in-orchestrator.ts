/**
 * A small orchestrator. It runs the steps of a build in sequence, passes the outputs of earlier
 * steps to later ones, continues a build that another copy of it began, and stops a step that takes
 * too long. Run it in this repository with `npm run example -- examples/embed-in-orchestrator.ts`.
 */
import { PGlite } from '@electric-sql/pglite';
import { dataDir } from '@electric-sql/pglite-prepopulatedfs';
import { type Artifact, type ContainerOwner, KubernetesWorker, type Worker } from 'kubernetes-worker';
import { EmbeddedCluster } from 'kubernetes-worker/embedded';

// #region orchestrator
interface Step {
  readonly name: string;
  readonly script: string;
  /** Names of outputs of earlier steps. Each is a folder in the step's working directory. */
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
  readonly timeoutMs?: number;
}

class Orchestrator {
  readonly #worker: Worker;

  constructor(worker: Worker) {
    this.#worker = worker;
  }

  /**
   * Runs a build, or continues it: a step keeps its existing container, and a started command is
   * not started again.
   */
  async runBuild(build: string, steps: readonly Step[]): Promise<'passed' | 'failed'> {
    const outputs = new Map<string, Artifact>();
    try {
      for (const step of steps) {
        if (!(await this.#runStep(build, step, outputs))) return 'failed';
      }
      return 'passed';
    } finally {
      for (const step of steps) await this.#worker.ownerFinished(ownerOf(build, step));
    }
  }

  async #runStep(build: string, step: Step, outputs: Map<string, Artifact>): Promise<boolean> {
    const { container, mounts } = await this.#worker.findOrCreateContainer(
      ownerOf(build, step),
      {
        image: 'busybox:1',
        dir: '/tmp/build',
        inputs: (step.inputs ?? []).flatMap((name) => {
          const artifact = outputs.get(name);
          return artifact === undefined ? [] : [{ artifact, path: name }];
        }),
        outputs: Object.fromEntries((step.outputs ?? []).map((name) => [name, name])),
      },
      { metadata: { stepName: step.name, buildName: build } },
    );
    for (const { name, volume } of mounts) {
      if (name !== undefined) outputs.set(name, volume);
    }
    // The step's name is the process ID: after a restart, `run` attaches to the running command, or
    // returns the stored result.
    const process_ = await container.run(
      { id: step.name, path: 'sh', args: ['-ec', step.script] },
      { stdout: process.stdout, stderr: process.stderr },
    );
    try {
      const { exitStatus } = await process_.wait({ signal: AbortSignal.timeout(step.timeoutMs ?? 60_000) });
      console.log(`${step.name}: status ${exitStatus}`);
      return exitStatus === 0;
    } catch (error) {
      // The reason of the deadline's signal: the command was stopped, and its output was delivered.
      if (!(error instanceof DOMException && error.name === 'TimeoutError')) throw error;
      console.log(`${step.name}: timed out`);
      return false;
    }
  }
}

function ownerOf(build: string, step: Step): ContainerOwner {
  return { kind: 'build-step', key: `${build}/${step.name}` };
}
// #endregion

await using cluster = await EmbeddedCluster.start();
// The prepared files save some seconds. `PGlite.create()` alone works too, as does a PostgreSQL
// URL.
await using database = await PGlite.create({ loadDataDir: await dataDir() });
await using worker = await KubernetesWorker.open({ name: 'example', kubeConfig: cluster.kubeconfigPath, database });

const orchestrator = new Orchestrator(worker);
const passed = await orchestrator.runBuild('1', [
  { name: 'get', script: 'echo "3 4 5" > numbers/list', outputs: ['numbers'] },
  {
    name: 'sum',
    script: 'read -r a b c < numbers/list; echo "sum $((a + b + c))" | tee result/sum',
    inputs: ['numbers'],
    outputs: ['result'],
  },
  { name: 'put', script: 'echo "published: $(cat result/sum)"', inputs: ['result'] },
]);
const timedOut = await orchestrator.runBuild('2', [
  { name: 'slow', script: 'echo waiting; sleep 600', timeoutMs: 500 },
]);
console.log(`build 1 ${passed}, build 2 ${timedOut}`);

const { deletedPods } = await worker.reap();
console.log(`${deletedPods} pods deleted`);
