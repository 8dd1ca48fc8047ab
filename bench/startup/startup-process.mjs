// A process that imports a package, opens a worker if it has a database, and prints how long both
// took and how much memory they use. Plain JavaScript, so that removing types takes no memory.
/** @type {{ module: string, kubeconfig?: string, url?: string, folder?: string }} */
const { module, kubeconfig, url, folder } = JSON.parse(process.argv[2] ?? '{}');

const resident = () => process.memoryUsage.rss() / 1024 / 1024;

const pglite = folder === undefined ? undefined : await (await import('@electric-sql/pglite')).PGlite.create(folder);
const startedAt = performance.now();
const library = await import(module);
const imported = { ms: performance.now() - startedAt, mebibytes: resident() };
const database = pglite ?? url;
const worker =
  database === undefined
    ? undefined
    : await library.KubernetesWorker.open({ name: 'startup', kubeConfig: kubeconfig, database });
const opened = { ms: performance.now() - startedAt, mebibytes: resident() };
console.log(JSON.stringify({ imported, opened }));
await worker?.close();
await pglite?.close();
