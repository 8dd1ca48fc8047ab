// Prints, as JSON, the packages that the library has loaded after each step of a host's start.
// Arguments: the path of a kubeconfig in JSON, and of one in YAML.
import { registerHooks } from 'node:module';

const [json = '', yaml = ''] = process.argv.slice(2);
const sources = new URL('../../../src/', import.meta.url).href;
const packages = new Set<string>();

registerHooks({
  resolve(specifier, context, nextResolve) {
    const [, name] = /^((?:@[^/]+\/)?[^./][^/]*)/.exec(specifier) ?? [];
    if (name !== undefined && !name.startsWith('node:') && context.parentURL?.startsWith(sources) === true)
      packages.add(name);
    return nextResolve(specifier, context);
  },
});

const steps: Record<string, readonly string[]> = {};
const loaded = (step: string): void => {
  steps[step] = [...packages].sort();
};

const { KubernetesWorker } = await import('../../../src/index.ts');
loaded('import');

const database = { connect: () => Promise.reject(new Error('no database')) };
await KubernetesWorker.open({ name: 'w', kubeConfig: json, database, signal: AbortSignal.abort() }).catch(() => {});
loaded('open');

const { ClientNodeCluster } = await import('../../../src/kubernetes/api/client-node-cluster.ts');
const target = { podName: 'p', containerName: 'main', command: ['true'] };
await (await ClientNodeCluster.fromConfig({ kubeConfig: json, environment: {} })).execEndpoint(target);
loaded('credentials');

await ClientNodeCluster.fromConfig({ kubeConfig: yaml });
loaded('YAML');

console.log(JSON.stringify(steps));
