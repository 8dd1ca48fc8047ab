import { copyFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { EmbeddedCluster } from './embedded-cluster.ts';

const usage =
  'usage: main.js [--kubeconfig FILE] [--directory DIR] [--namespace NAME] [--isolation auto|namespaces|mapped] [--port N] [--until-stdin-closes]';

/**
 * Runs an embedded cluster as a separate process. Prints one line of JSON when the cluster is
 * ready. Ends on SIGTERM, on SIGINT and, with `--until-stdin-closes`, at the end of its stdin.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      kubeconfig: { type: 'string' },
      directory: { type: 'string' },
      namespace: { type: 'string' },
      isolation: { type: 'string' },
      port: { type: 'string' },
      'until-stdin-closes': { type: 'boolean', default: false },
    },
  });
  const { directory, namespace, isolation, port } = values;
  const knownIsolation = (['auto', 'namespaces', 'mapped'] as const).find((each) => each === isolation);
  if (isolation !== undefined && knownIsolation === undefined)
    throw new TypeError(`--isolation ${isolation} is not supported`);
  const stopped = untilStopped(values['until-stdin-closes']);
  const cluster = await EmbeddedCluster.start({
    ...(directory === undefined ? {} : { directory }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(knownIsolation === undefined ? {} : { isolation: knownIsolation }),
    ...(port === undefined ? {} : { port: Number(port) }),
  });
  if (values.kubeconfig !== undefined) await copyFile(cluster.kubeconfigPath, values.kubeconfig);
  const ready = {
    kubeconfig: values.kubeconfig ?? cluster.kubeconfigPath,
    pid: process.pid,
    url: cluster.url,
    isolation: cluster.isolation,
  };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
  await stopped;
  await cluster.close();
}

function untilStopped(watchStdin: boolean): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
    if (!watchStdin) return;
    process.stdin.once('close', resolve);
    process.stdin.once('end', resolve);
    process.stdin.resume();
  });
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}\n`);
    process.exit(1);
  },
);
