// A process that imports a package, opens a worker if it has a database, and prints how long both
// took and how much memory they use. Plain JavaScript, so that removing types takes no memory.
/** @type {{ module: string, kubeconfig?: string, url?: string, folder?: string }} */
const { module, kubeconfig, url, folder } = JSON.parse(process.argv[2] ?? '{}');

const processorMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

const pglite = folder === undefined ? undefined : await (await import('@electric-sql/pglite')).PGlite.create(folder);
const [startedAt, processorBefore] = [performance.now(), processorMs()];
const figures = () => ({
  ms: performance.now() - startedAt,
  processorMs: processorMs() - processorBefore,
  mebibytes: process.memoryUsage.rss() / 1024 / 1024,
});
const library = await import(module);
const imported = figures();
const database = pglite ?? url;
const worker =
  database === undefined
    ? undefined
    : await library.KubernetesWorker.open({ name: 'startup', kubeConfig: kubeconfig, database });
const opened = figures();
console.log(JSON.stringify({ imported, opened }));
await worker?.close();
await pglite?.close();
