import type { Mutant } from '../../../scripts/mutant.ts';

const load = { specs: ['test/unit/service/config/load-config.spec.ts'] };
const cross = { specs: ['test/unit/service/config/cross-checks.spec.ts'] };
const watch = { specs: ['test/unit/service/config/watch-config.spec.ts'] };
const options = { specs: ['test/unit/service/config/worker-options.spec.ts'] };
const print = { specs: ['test/unit/service/config/print-config.spec.ts'] };

/** Changes of `src/service/config` that a spec has to detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'a variable has precedence over a flag',
    file: 'src/service/config/load-config.ts',
    find: `    variableSource(sources.env, schemaKeys),
    flagSource(sources.flags ?? {}, schemaKeys),`,
    replace: `    flagSource(sources.flags ?? {}, schemaKeys),
    variableSource(sources.env, schemaKeys),`,
    killedBy: { specs: ['test/unit/service/config/precedence.spec.ts'] },
  },
  {
    name: 'an unknown variable is ignored',
    file: 'src/service/config/sources.ts',
    find: '      issues.push({ ...unknown(name), origin });\n',
    replace: '',
    killedBy: load,
  },
  {
    name: 'a configuration file of any size is read',
    file: 'src/service/config/config-file.ts',
    find: 'if (status.size > maxBytes)',
    replace: 'if (status.size > Number.MAX_SAFE_INTEGER)',
    killedBy: load,
  },
  {
    name: 'a status server beyond loopback may accept every request',
    file: 'src/service/config/cross-checks.ts',
    find: "if (auth === 'none' && !isLoopback(host) && !allowUnauthenticated)",
    replace: "if (auth === 'none' && !isLoopback(host) && allowUnauthenticated)",
    killedBy: cross,
  },
  {
    name: 'a file may hold the password of the database',
    file: 'src/service/config/cross-checks.ts',
    find: "if (origins['database.url']?.kind !== 'environment')",
    replace: "if (origins['database.url']?.kind === 'flag')",
    killedBy: cross,
  },
  {
    name: 'keys that need a restart are applied',
    file: 'src/service/config/config-changes.ts',
    find: "const live = changed.filter(({ reload }) => reload === 'live');",
    replace: 'const live = changed;',
    killedBy: watch,
  },
  {
    name: 'a closed watch of the configuration keeps its signal handler',
    file: 'src/service/config/watch-config.ts',
    find: "    process.off('SIGHUP', this.#onSignal);\n",
    replace: '',
    killedBy: watch,
  },
  {
    name: 'an empty file is a secret',
    file: 'src/service/config/secret-file.ts',
    find: "  if (secret === '') throw fail('is empty');\n",
    replace: '',
    killedBy: options,
  },
  {
    name: 'the password is not escaped in the URL of the database',
    file: 'src/service/config/database-url.ts',
    find: 'const encoded = encodeURIComponent(password);',
    replace: 'const encoded = password;',
    killedBy: options,
  },
  {
    name: 'a secret is printed',
    file: 'src/service/config/print-config.ts',
    find: 'secret ? mask : value',
    replace: 'value',
    killedBy: print,
  },
];
