import { defineConfig } from 'eslint/config';
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript';
import { importX } from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/** Which folders of `src/` a part may import, its own apart. `docs/architecture.md` says why. */
const mayImport = {
  'src/errors/**': ['internal/quote.ts'],
  'src/runtime/**': ['errors/**'],
  'src/internal/**': ['runtime/options.ts'],
  'src/retry/**': ['runtime/options.ts', 'errors/error-code.ts'],
  'src/images/**': ['runtime/**', 'internal/**', 'errors/**'],
  'src/telemetry/**': ['runtime/**', 'errors/error-code.ts'],
  'src/validation/**': [
    'runtime/**',
    'errors/**',
    'stores/stores-options.ts',
    'worker-options.ts',
    'agent-manifest.ts',
    'migrate-database.ts',
  ],
  'src/repository/*.ts': ['runtime/**', 'errors/**'],
  'src/repository/postgres/**': [
    'repository/*.ts',
    'runtime/**',
    'retry/**',
    'internal/**',
    'errors/**',
    'telemetry/**',
  ],
  'src/exec/**': [
    'agent-client/session/byte-connection.ts',
    'runtime/options.ts',
    'internal/**',
    'errors/**',
    'telemetry/**',
  ],
  'src/agent-client/**': [
    'stores/frame-store.ts',
    'runtime/**',
    'retry/**',
    'internal/**',
    'errors/**',
    'telemetry/**',
  ],
  'src/encodings/**': ['runtime/**', 'internal/**', 'errors/**'],
  'src/artifacts/**': ['encodings/**', 'runtime/**', 'internal/**', 'errors/**'],
  'src/folders/**': ['archives/tar/**', 'validation/**', 'runtime/**', 'internal/**', 'errors/**'],
  'src/kubernetes/**': ['exec/exec-endpoint.ts', 'runtime/**', 'retry/**', 'internal/**', 'errors/**', 'telemetry/**'],
  'src/checks/**': [
    'repository/*.ts',
    'kubernetes/{cluster,required-permissions}.ts',
    'stores/pod-store.ts',
    'runtime/**',
    'errors/**',
  ],
  'src/events/**': ['runtime/**'],
  'src/placement/**': [
    'repository/*.ts',
    'kubernetes/{cluster,quantity}.ts',
    'kubernetes/pod-spec/labels.ts',
    'events/emit-event.ts',
    'runtime/**',
    'errors/**',
  ],
  'src/controllers/**': [
    'archives/{archive-key,archive-deletion}.ts',
    'events/emit-event.ts',
    'repository/*.ts',
    'kubernetes/cluster.ts',
    'pods/**',
    'stores/**',
    'runtime/**',
    'retry/**',
    'internal/**',
    'errors/**',
    'telemetry/**',
  ],
  'src/caches/**': [
    'repository/*.ts',
    'internal/**',
    'kubernetes/pod-spec/pod-mount-path.ts',
    'stores/{artifact-store,temporary-volume}.ts',
    'archives/archive-service.ts',
    'events/emit-event.ts',
    'runtime/**',
    'errors/**',
  ],
  'src/archives/**': [
    'repository/*.ts',
    'stores/{archive-store,artifact-store,frame-store}.ts',
    'agent-client/wire/{byte-queue,data-compression}.ts',
    'encodings/**',
    'runtime/**',
    'retry/**',
    'internal/**',
    'errors/**',
    'telemetry/**',
  ],
  'src/worker/**': [
    'archives/**',
    'caches/**',
    'placement/**',
    'events/**',
    'repository/*.ts',
    'kubernetes/cluster.ts',
    'kubernetes/pod-spec/**',
    'kubernetes/pod-state/**',
    'controllers/**',
    'hermetic/**',
    'pods/**',
    'stores/**',
    'exec/**',
    'agent-client/**',
    'artifacts/**',
    'encodings/**',
    'images/**',
    'validation/**',
    'runtime/**',
    'retry/**',
    'internal/**',
    'errors/**',
    'telemetry/**',
  ],
  'src/pods/**': [
    'events/emit-event.ts',
    'repository/*.ts',
    'kubernetes/**',
    'exec/**',
    'agent-client/**',
    'runtime/**',
    'retry/**',
    'internal/**',
    'errors/**',
    'telemetry/**',
  ],
  'src/hermetic/**': [
    'repository/*.ts',
    'kubernetes/cluster.ts',
    'kubernetes/pod-spec/**',
    'pods/**',
    'exec/exec-connection.ts',
    'runtime/**',
    'internal/**',
    'errors/**',
  ],
  'src/stores/**': [
    'repository/*.ts',
    'kubernetes/**',
    'pods/**',
    'agent-client/**',
    'runtime/**',
    'retry/**',
    'internal/**',
    'errors/**',
    'telemetry/**',
  ],
  // A server that shares code with its client hides faults.
  'src/embedded/**': ['internal/**', 'runtime/options.ts'],
  // The service has what every host has: the public entries.
  'src/service/**': ['index.ts', 'embedded/index.ts'],
};

/** Within a part: which rooms a room may not import. */
const mayNotImport = {
  'src/agent-client/wire/**': ['agent-client/{session,transfer,process,archive}/**', 'agent-client/*.ts'],
  'src/agent-client/session/**': ['agent-client/{transfer,process,archive}/**', 'agent-client/*.ts'],
  'src/agent-client/transfer/**': ['agent-client/{process,archive}/**', 'agent-client/*.ts'],
  'src/agent-client/process/**': ['agent-client/{transfer,archive}/**', 'agent-client/*.ts'],
  'src/agent-client/archive/**': ['agent-client/process/**', 'agent-client/*.ts'],
  'src/kubernetes/pod-spec/**': ['kubernetes/{access,api,pod-state}/**'],
  'src/kubernetes/pod-state/**': ['kubernetes/{access,api}/**'],
  'src/kubernetes/access/**': ['kubernetes/{api,pod-spec,pod-state}/**'],
  'src/repository/postgres/connection/**': [
    'repository/postgres/{migrations,workers,volumes,archives,caches,placement,containers}/**',
  ],
  'src/repository/postgres/migrations/**': [
    'repository/postgres/{workers,volumes,archives,caches,placement,containers}/**',
  ],
  'src/worker/notices/**': ['worker/{output,retention,volumes,plan,process,creation}/**', 'worker/*.ts'],
  'src/worker/output/**': ['worker/{notices,retention,volumes,plan,process,creation}/**', 'worker/*.ts'],
  'src/worker/retention/**': ['worker/{notices,output,volumes,plan,process,creation}/**', 'worker/*.ts'],
  'src/worker/volumes/**': ['worker/{output,plan,process,creation}/**', 'worker/*.ts'],
  'src/worker/plan/**': ['worker/{notices,output,retention,volumes,process,creation}/**', 'worker/*.ts'],
  'src/worker/process/**': ['worker/creation/**', 'worker/*.ts'],
  'src/worker/creation/**': ['worker/process/**', 'worker/*.ts'],
  'src/embedded/objects/**': ['embedded/{isolation,kubelet,server}/**'],
  'src/embedded/isolation/**': ['embedded/{objects,kubelet,server}/**'],
  'src/embedded/kubelet/**': ['embedded/server/**'],
};

const zones = [
  ...Object.entries(mayNotImport).map(([room, others]) => ({
    target: room,
    from: others.map((path) => `src/${path}`),
    message: 'This room comes below that one: see docs/architecture.md.',
  })),
  ...Object.entries(mayImport).map(([part, allowed]) => ({
    target: part,
    from: 'src/**',
    except: [part, ...allowed.map((path) => `src/${path}`)].map((path) => `**/${path}`),
    message: 'This part of the library does not know that one: see docs/architecture.md.',
  })),
  {
    target: 'src/{*.ts,composition/**}',
    from: 'src/embedded/**',
    message: 'The library does not know the embedded cluster.',
  },
  {
    target: 'src/!(service)/**',
    from: 'src/service/**',
    message: 'The library does not know the service.',
  },
  {
    target: 'src/**',
    from: '{fakes,test,bench,examples,scripts}/**',
    message: 'The library needs nothing that is made for tests.',
  },
  {
    target: 'fakes/{*.ts,processes/**}',
    from: 'src/**',
    except: ['**/src/index.ts'],
    message: 'Fakes know the public contracts only.',
  },
  { target: 'examples/**', from: '{src,fakes,test,bench}/**', message: 'Examples import the package by its name.' },
  { target: '{bench,scripts,charts}/**', from: 'test/**', message: 'Only tests use what is made for tests.' },
];

/** Third-party packages, and the published parts that may import them (`types`: only their types). */
const packages = [
  { name: '@kubernetes/client-node', use: ['src/kubernetes/**'], types: ['src/embedded/**', 'src/*.ts'] },
  { name: 'js-yaml', use: ['src/kubernetes/**'] },
  { name: 'undici', use: ['src/kubernetes/**'] },
  { name: 'ws', use: ['src/embedded/**'] },
  { name: 'kysely', use: ['src/repository/postgres/**'] },
  { name: 'pg', use: ['src/repository/postgres/**'] },
  { name: '@electric-sql/pglite', use: ['src/repository/postgres/**', 'src/service/**', 'src/service/cli/**'] },
  { name: 'tar-stream', use: ['src/artifacts/**'] },
  { name: '@aws-sdk/client-s3', use: ['src/stores/s3/**'] },
  { name: 'valibot', use: ['src/validation/**'] },
  { name: '@opentelemetry/api', use: ['src/telemetry/**', 'src/service/telemetry/**'] },
  ...[
    'context-async-hooks',
    'exporter-metrics-otlp-proto',
    'exporter-prometheus',
    'exporter-trace-otlp-proto',
    'instrumentation-runtime-node',
    'resources',
    'sdk-metrics',
    'sdk-trace',
  ].map((name) => ({ name: `@opentelemetry/${name}`, use: ['src/service/telemetry/**'] })),
  { name: 'commander', use: ['src/service/cli/**'] },
  { name: 'zod', use: ['src/service/config/**'] },
  { name: 'yaml', use: ['src/service/config/**', 'charts/monitoring/files.ts'] },
  { name: 'pino', use: ['src/service/telemetry/**'] },
  { name: '@grafana/grafana-foundation-sdk', use: ['charts/monitoring/dashboards/grafana.ts'] },
  { name: 'sinon', use: ['fakes/support.ts'] },
  { name: 'ts-morph', use: ['fakes/generate.ts', 'fakes/generator/**'] },
];

/** One entry of configuration per part, since the last entry that names a rule wins whole. */
function packageRules(part) {
  const paths = packages
    .filter(({ use }) => !use.includes(part))
    .map(({ name, types = [] }) => ({
      name,
      allowTypeImports: types.includes(part),
      message: 'Each third-party package has one folder: see docs/architecture.md.',
    }));
  const patterns = paths.map(({ name, ...rest }) => ({ group: [`${name}/*`], ...rest }));
  return {
    files: [[part, '**/*.ts']],
    rules: { '@typescript-eslint/no-restricted-imports': ['error', { paths, patterns }] },
  };
}

const parts = [...new Set(['{src,fakes,charts}/**', ...packages.flatMap(({ use, types = [] }) => [...use, ...types])])];

const kubernetesObjects = ['V1Container', 'V1ContainerStatus', 'V1ObjectMeta', 'V1Pod', 'V1PodSpec', 'V1PodStatus'];

const onlyTests = ['test/**/*.ts'];

export default defineConfig(
  { ignores: ['dist/', 'coverage/', 'agent/', 'node_modules/', 'eslint.config.js'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, importX.flatConfigs.typescript],
    languageOptions: {
      parserOptions: { project: ['./tsconfig.json', './test/tsconfig.json'], tsconfigRootDir: import.meta.dirname },
    },
    plugins: { 'import-x': importX },
    settings: {
      'import-x/resolver-next': [
        createTypeScriptImportResolver({
          project: ['tsconfig.json', 'test/tsconfig.json'],
          noWarnOnMultipleProjects: true,
        }),
      ],
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'import-x/no-restricted-paths': ['error', { basePath: import.meta.dirname, zones }],
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      'import-x/no-self-import': 'error',
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportAllDeclaration', message: 'List what is exported.' },
        {
          selector: ':function:has(VariableDeclaration[kind=/using/]) ImportExpression[source.value=/^[.].*[.]ts$/]',
          message: 'TypeScript keeps the extension .ts of an import() in a function with `using`: move it out.',
        },
      ],
      // Ports have up to five parameters, the last being the options that every call ends with.
      '@typescript-eslint/max-params': ['error', { max: 5 }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/consistent-type-exports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // Numbers, booleans and errors' own words read well in messages.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // A constructor that only names its parameters' types is documentation; `{}` and `() => {}` are legitimate noops.
      '@typescript-eslint/no-empty-function': 'off',
      // `async` without `await` adapts a synchronous result to an asynchronous port, and turns a throw into
      // a rejection.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // Passing on what a callee gives, also where that is nothing, is shorter than a block.
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-invalid-void-type': 'off',
      // Kubernetes' objects are classes in the client's types and plain JSON elsewhere. A patch removes keys
      // from them.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      '@typescript-eslint/no-dynamic-delete': 'off',
      // There are no enums: they would not run with types stripped.
      '@typescript-eslint/no-unsafe-enum-assignment': 'off',
      '@typescript-eslint/no-misused-spread': [
        'error',
        { allow: [{ from: 'package', package: '@kubernetes/client-node', name: kubernetesObjects }] },
      ],
      // Values of untyped callers and of servers are checked beyond their types, and a state that was read
      // may change during an await.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/no-unnecessary-type-conversion': 'off',
      // Grafana's sidecar, and versions of Grafana that are in use, read this form and not its successor.
      '@typescript-eslint/no-deprecated': [
        'error',
        {
          allow: [
            { from: 'package', package: '@grafana/grafana-foundation-sdk', name: ['Dashboard', 'DashboardBuilder'] },
          ],
        },
      ],
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  ...parts.map(packageRules),
  { files: ['{test,bench,examples,scripts}/**/*.ts', 'fakes/generate.ts'], rules: { 'no-console': 'off' } },
  {
    files: onlyTests,
    rules: {
      'import-x/no-cycle': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      // What a server or a program printed is parsed and asserted on as it is.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      // Stubs are asserted on without being called.
      '@typescript-eslint/unbound-method': 'off',
    },
  },
);
