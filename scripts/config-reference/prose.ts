/** The text of each section of the reference. */
export const sections: Readonly<Record<string, string>> = {
  worker: 'The worker: its name, its cluster, and how it reaches its pods.',
  database:
    'The PostgreSQL database, which stores all state ([database](database.md)). One of `url` and `urlFile` is set.',
  limits: 'How long the worker waits, and how much it does at once.',
  transfers: 'Limits and retries of transfers.',
  artifacts: 'Artifact volumes.',
  caches: 'Task caches and resource caches ([caches](caches.md)).',
  retention: 'What stays after its owner has finished.',
  stores:
    'The stores in which content outlives its pod ([stores](stores.md)). Without `stores.pvc` and `stores.s3`, the content of each volume is in its pod only.',
  'stores.pvc': 'A store on a PersistentVolumeClaim. The section exists if one of its keys is set.',
  'stores.s3':
    'A store in a bucket of S3. The section exists if one of its keys is set. The package `@aws-sdk/client-s3` is installed beside this one.',
  pods: 'Settings of every pod of the worker ([pods](pods.md)).',
  images: 'The images of steps and sidecars ([images](images.md)).',
  'images.policy': 'Decides which image a step gets, and which images are permitted.',
  reaper: 'The passes of the reaper, which deletes what is no longer needed.',
  registrar: 'The heartbeats of the worker ([workers](workers.md)).',
  status: 'The status server.',
  metrics: 'The server of metrics in the format of Prometheus.',
  telemetry: 'What the service exports by the protocol of OpenTelemetry.',
  'telemetry.otlp': 'The receiver.',
  logging: 'The logs, which go to stdout.',
  shutdown: 'The end of the service after SIGTERM.',
};

export const introduction = `# Configuration

<!-- Written by scripts/config-reference.ts from the schema in src/service/config. Do not edit. -->

The configuration of the command \`kubernetes-worker\`. Programs that import the library pass
\`KubernetesWorkerOptions\` instead.

## Sources

A key has its value from the last of these sources that has one:

1. The default.
2. A file in YAML or JSON: that of \`--config\`, otherwise that of the variable \`KW_CONFIG\`, otherwise
   \`/etc/kubernetes-worker/config.yaml\` if it exists. It has at most 1 MiB.
3. A variable. The name of each is made from the path of the key: \`KW_LIMITS_LEASE_MS\` for
   \`limits.leaseMs\`. A variable that begins with \`KW_\` and is no key is an error. In pods,
   \`enableServiceLinks: false\` keeps Kubernetes from adding such variables.
4. A flag: \`--limits-lease-ms\`.

In variables and flags, lists and objects are JSON, booleans are \`true\` or \`false\`, and numbers are
decimal. A list or an object replaces that of an earlier source.

An unknown key is an error, and so is a value that does not fit. Each source is checked on its own:
a wrong value in the file is an error also where a variable replaces it. All of these errors are
reported at once, each with its source, and the exit code is 78. Contradictions between keys, and then
what the library refuses, such as a field of \`pods\`, are reported when each value fits:

\`\`\`text
config.yaml:5:3 stores.s3.buket: unknown key; did you mean "bucket"?
variable KW_STATUS_PORT: status.port: is not an integer from 0 to 65535
\`\`\`

\`kubernetes-worker config validate FILE\` checks a file, \`config print --show-origin\` prints each
value with its source, and \`config schema\` prints the [JSON Schema](configuration.schema.json) of
the file, which editors and Helm read.

## Secrets

Secrets come from files, whose paths are keys such as \`database.passwordFile\`, or from the variable
\`KW_DATABASE_URL\`. A password in \`database.url\` of the file or of a flag is refused. Errors and
\`config print\` contain no secret. The end of a file's last line is not part of the secret.

## Changes

The service reads the configuration again when the file changes and at SIGHUP. Keys with "applied
while the service runs" have their new values at once. A change of any other key is logged and takes
effect at the next start. An invalid configuration is logged, and the old one stays in force.

The keys of an S3 account are read from their files again when the server refuses them.

## Example

\`\`\`yaml
worker:
  name: ci
  namespace: ci
database:
  url: postgres://ci@postgres.ci:5432/ci
  passwordFile: /run/secrets/database/password
stores:
  s3:
    bucket: ci-archives
    region: eu-central-1
pods:
  security: restricted
status:
  host: 0.0.0.0
  auth: tokenReview
metrics:
  host: 0.0.0.0
\`\`\``;
