// Preloaded with `node --import`: resolves `import … from 'kubernetes-worker'` to this checkout's
// sources, so that examples run without a build and read as in a host's code.
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

const manifestUrl = new URL('../package.json', import.meta.url);
const manifest = JSON.parse(readFileSync(manifestUrl, 'utf8')) as {
  name: string;
  exports: Record<string, string | { default: string }>;
};

const sources = new Map<string, string>();
for (const [subpath, target] of Object.entries(manifest.exports)) {
  if (typeof target === 'string') continue;
  const source = target.default.replace('./dist/', './').replace(/\.js$/, '.ts');
  sources.set(manifest.name + subpath.slice(1), new URL(source, manifestUrl).href);
}

registerHooks({
  resolve(specifier, context, nextResolve) {
    return nextResolve(sources.get(specifier) ?? specifier, context);
  },
});
