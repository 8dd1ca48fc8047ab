import { expect } from 'chai';

import type { ErrorCode } from '../../../src/index.ts';
import { codes, samples } from './error-samples.ts';

/** The different messages of the samples of each code, in order: a reviewer reads them all here. */
const messages: { readonly [Code in ErrorCode]: readonly string[] } = {
  KW_ERR_ADMISSION_DENIED: [
    'cannot create pods in namespace ci: admission denied: pods "kw-1" is forbidden: violates PodSecurity "restricted:latest"; change the container\'s specification, the option "pods" or the policy',
  ],
  KW_ERR_AGENT_INCOMPATIBLE: [
    "the agent supports protocol versions 1 to 1, this library 2 to 3: use a library version that supports one of the agent's protocol versions, or create a new container",
  ],
  KW_ERR_AGENT_NOT_INSTALLED: [
    'cannot get configmaps in namespace ci: config map kubernetes-worker-agent-amd64-0123456789ab, which contains the agent, does not exist: create what agentConfigMap() returns, with kubectl apply --server-side -f - (see docs/rbac.md)',
  ],
  KW_ERR_AGENT_UNAVAILABLE: ['the agent in pod kw-1 is unavailable: no HELLO within 10000 ms'],
  KW_ERR_API_ERROR: [
    'cannot create pods in namespace ci: the API server responded with 422 Invalid: Pod "kw-1" is invalid',
    'cannot create pods in namespace ci: the API server responded with 418: no body',
  ],
  KW_ERR_API_UNAVAILABLE: [
    'cannot create pods in namespace ci: API server unavailable (503): etcdserver: leader changed',
    'cannot create pods in namespace ci: API server unavailable (no response): connect ECONNREFUSED 127.0.0.1:6443',
  ],
  KW_ERR_ARCHIVE_DAMAGED: ['archive i/00/a-1.tar.zst in store "s3" is damaged: its SHA-256 differs'],
  KW_ERR_ARCHIVE_MISSING: ['archive i/00/a-1.tar.zst is missing in store "s3"'],
  KW_ERR_ARTIFACT_TOO_LARGE: [
    'upload to volume v-1 in pod kw-1 after 4096 bytes: the content is larger than the limit of 1024 bytes',
  ],
  KW_ERR_CLOSED: ['worker ci is closed: open a new one'],
  KW_ERR_CONFLICT: ['cannot create pods in namespace ci: conflict (409): pods "kw-1" already exists'],
  KW_ERR_CONTAINER_DISAPPEARED: ['container c-1 of worker ci disappeared: its pod or its row no longer exists'],
  KW_ERR_CORRUPT_ARCHIVE: [
    'upload to volume v-1 in pod kw-1 after 4096 bytes: the archive is corrupt: the checksum of a header is wrong',
  ],
  KW_ERR_CREATION_LAPSED: [
    'the creation of container c-1 of worker ci lapsed: its host did not renew the lease, and the container was deleted before any command ran',
  ],
  KW_ERR_CREDENTIALS_UNAVAILABLE: ['cannot get credentials from plug-in aws: exit status 1'],
  KW_ERR_DIGEST_MISMATCH: [
    'download from volume v-1 in pod kw-1: the two ends have different bytes: the agent sent 4096 bytes, 4000 arrived',
  ],
  KW_ERR_DISK_FULL: [
    "upload to volume v-1 in pod kw-1 after 4096 bytes: disk full on the pod's node: write: ENOSPC",
    'store "pvc" is full: write: ENOSPC',
  ],
  KW_ERR_EXECUTABLE_FORMAT: [
    'process task in container c-1: cannot execute "/bin/tool": it is for another architecture, or a script without #!',
  ],
  KW_ERR_EXECUTABLE_NOT_FOUND: [
    'process task in container c-1: executable "tool" not found in the container: check the path and PATH',
  ],
  KW_ERR_EXEC_CONNECTION_LOST: ['exec connection lost (100 bytes received, 2000 bytes sent): read ECONNRESET'],
  KW_ERR_EXEC_HANDSHAKE_FAILED: ['cannot open an exec: no answer within 10000 ms'],
  KW_ERR_FILE_CHANGED: ['download from volume v-1 in pod kw-1: "log/current" changed while it was read'],
  KW_ERR_FILE_NOT_FOUND: ['download from volume v-1 in pod kw-1: no such file or directory: "version.json"'],
  KW_ERR_FORBIDDEN: [
    'cannot create pods in namespace ci: forbidden (403): User "ci" cannot create resource "pods"; grant a Role with verb create on pods (see docs/rbac.md)',
    'cannot create pods/exec in namespace ci: forbidden (403): User "ci" cannot create resource "pods/exec"; grant a Role with verbs create and get on pods/exec (see docs/rbac.md)',
  ],
  KW_ERR_HEARTBEAT_TIMEOUT: ['connection closed: nothing received for 60000 ms'],
  KW_ERR_HERMETIC_NOT_ENFORCED: [
    'hermetic container refused in namespace ci: DETAIL; create it as docs/rbac.md describes, or grant the permission to create it',
    'hermetic container refused in namespace ci: DETAIL; correct or delete that NetworkPolicy (see docs/pods.md)',
    'hermetic container refused in namespace ci: DETAIL; use a cluster whose network plug-in enforces NetworkPolicies',
    "hermetic container refused in namespace ci: DETAIL; permit ordinary pods of the worker to connect to the API server's Service, which the probe uses (see docs/pods.md)",
  ],
  KW_ERR_ILLEGAL_TRANSITION: ['container c-1 is failed and cannot become created'],
  KW_ERR_IMAGE_PULL_FAILED: ['pod ci/kw-1 cannot pull image busybox:none: ImagePullBackOff: manifest unknown'],
  KW_ERR_INVALID_SPEC: ['outputs.result: is empty'],
  KW_ERR_LEASE_LOST: ['the lease of c-1 is lost: another holder may have it'],
  KW_ERR_MIGRATION_CHANGED: [
    'the database has another migration 0004-output-sizes (checksum c3d4) than this version of the library (a1b2): use the version that migrated the database, or restore the database from a backup',
  ],
  KW_ERR_NOT_PERMITTED: ['upload to volume v-1 in pod kw-1 after 4096 bytes: not permitted: open data: EROFS'],
  KW_ERR_OPERATION_LOST: ['upload to volume v-1 in pod kw-1 after 4096 bytes: operation lost: the agent was restarted'],
  KW_ERR_OUTCOME_UNKNOWN: ['process task in container c-1: outcome unknown: its Kubernetes container was restarted'],
  KW_ERR_OUTPUT_FREED: ['process task in container c-1: bytes 0 to 65536 of stdout are no longer kept'],
  KW_ERR_OUT_OF_MEMORY: [
    'pod ci/kw-1 ran out of memory in container main (limit 67108864 bytes)',
    'pod ci/kw-1 ran out of memory in container db (no limit of its own)',
  ],
  KW_ERR_OWNER_FINISHED: ['owner "build-step/4711/test" of worker ci has finished for good: use another owner'],
  KW_ERR_PATH_CONFLICT: [
    'upload to volume v-1 in pod kw-1 after 4096 bytes: conflict at "result": it is a file, not a folder',
  ],
  KW_ERR_POD_DELETED: ['pod ci/kw-1 was deleted (its commands may still be running)'],
  KW_ERR_POD_EVICTED: ['pod ci/kw-1 was evicted: Evicted: The node was low on resource: memory.'],
  KW_ERR_POD_FAILED: ['pod ci/kw-1 failed: CreateContainerConfigError: secret "env" not found'],
  KW_ERR_POD_START_TIMEOUT: [
    'pod ci/kw-1 was not ready within 300000 ms (startTimeoutMs): container main is ContainerCreating',
  ],
  KW_ERR_POD_UNSCHEDULABLE: [
    'pod ci/kw-1 was not scheduled to a node within 300000 ms (schedulingTimeoutMs): 0/1 nodes are available: 1 Insufficient cpu.',
  ],
  KW_ERR_PROCESS_DETACHED: [
    'process task in container c-1: detached after 52311 bytes of stdout and 0 of stderr; the command continues: attach again',
  ],
  KW_ERR_PROCESS_NOT_FOUND: ['process task in container c-1: it was never started'],
  KW_ERR_PROCESS_SPEC_CHANGED: [
    'process task in container c-1: it was started with another command: use another ID, or pass onSpecChange: "keep"',
  ],
  KW_ERR_PROTOCOL_VIOLATION: ['protocol violation: unknown stream 7'],
  KW_ERR_QUOTA_EXCEEDED: [
    'cannot create pods in namespace ci: quota exceeded (free resources or raise it): pods "kw-1" is forbidden: exceeded quota: few',
  ],
  KW_ERR_RECONCILE: [
    'reaper pass of worker ci: 1 failure: first cause',
    'reaper pass of worker ci: 2 failures, the first one: first cause',
  ],
  KW_ERR_REPOSITORY_UNAVAILABLE: ['database unavailable: connect ECONNREFUSED 127.0.0.1:5432'],
  KW_ERR_SCHEMA_TOO_NEW: [
    'the database schema is at migration 0005-next, and this version of the library ends at 0004-output-sizes: upgrade the library',
  ],
  KW_ERR_SPEC_CHANGED: [
    'container c-1 of owner "build-step/4711/test" has another specification: finish the owner first, use another owner, or pass onSpecChange: "keep"',
  ],
  KW_ERR_STORE_DENIED: ['store "s3" (archive i/00/a-1.tar.zst) refuses s3:PutObject: AccessDenied'],
  KW_ERR_STORE_NOT_CONFIGURED: [
    'artifact store "s3" is not configured on this worker',
    'artifact store "pvc" is not configured on this worker: claim ci/archives does not exist',
  ],
  KW_ERR_STORE_UNAVAILABLE: ['store "s3" is unavailable: connect ECONNREFUSED 127.0.0.1:7070'],
  KW_ERR_TOO_MANY_REQUESTS: [
    'cannot create pods in namespace ci: too many requests (429); retry after 1000 ms',
    'cannot create pods in namespace ci: too many requests (429); retry later',
  ],
  KW_ERR_TRANSFER_STALLED: [
    'upload to volume v-1 in pod kw-1 after 4096 bytes: the pod transferred no byte for 120000 ms (transfers.stallTimeoutMs)',
  ],
  KW_ERR_TRUNCATED_ARCHIVE: [
    'upload to volume v-1 in pod kw-1 after 4096 bytes: the archive is truncated: its gzip data ends early',
  ],
  KW_ERR_UNAUTHORIZED: [
    'cannot create pods in namespace ci: the API server rejects the credentials of the kubeconfig (401): Unauthorized',
  ],
  KW_ERR_UNSAFE_ARCHIVE_PATH: [
    'upload to volume v-1 in pod kw-1 after 4096 bytes: path "../etc/passwd" leads out of the volume',
  ],
  KW_ERR_UNSUPPORTED_ENCODING: ['volume v-1: unsupported encoding "br": use raw, gzip or zstd'],
  KW_ERR_UNSUPPORTED_ENTRY: [
    'upload to volume v-1 in pod kw-1 after 4096 bytes: the volume cannot store entry "dev/tty": a device',
  ],
  KW_ERR_UNSUPPORTED_SUBPROTOCOL: [
    'the server accepts none of the exec protocols SPDY/3.1, v4.channel.k8s.io: HTTP 400',
  ],
  KW_ERR_USER_NOT_FOUND: ['process task in container c-1: user or group of "ci:staff" not found in the container'],
  KW_ERR_VOLUME_CHANGED: ['volume v-1 was changed by another call: repeat this call'],
  KW_ERR_VOLUME_DAMAGED: ['volume v-1: the content is damaged: its commit could not be completed'],
  KW_ERR_VOLUME_DISAPPEARED: ['volume v-1 of worker ci disappeared: its pod or its row no longer exists'],
  KW_ERR_VOLUME_IO: ['download from volume v-1 in pod kw-1: file system error: read: EIO'],
  KW_ERR_VOLUME_NOT_FOUND: ['volume v-1 not found'],
  KW_ERR_WORKER_NOT_FOUND: ['name: the database has no worker "cl"'],
  KW_ERR_WORKER_NOT_RUNNING: [
    'worker ci is landing and accepts no new container or artifact volume: use another worker, or call resume()',
    'worker ci has landed and accepts no new container or artifact volume: use another worker, or call resume()',
    'worker ci is retiring and accepts no new container or artifact volume: use another worker, or call resume()',
    'worker ci no longer exists: it has been retired or pruned; use another worker, or open it again',
  ],
  KW_ERR_WORKING_DIRECTORY: [
    'process task in container c-1: cannot create or enter working directory "/root/work": EACCES',
  ],
};

describe('the error messages', () => {
  for (const code of codes) {
    it(`of ${code} read as in the table`, () => {
      expect([...new Set(samples[code].map(({ message }) => message))]).to.deep.equal(messages[code]);
    });
  }

  it('are one line each, without a value that is missing', () => {
    for (const message of Object.values(messages).flat()) {
      expect(message).to.match(/^[^\n]+$/);
      expect(message).to.not.match(/undefined|null|\[object|NaN| {2}|: $/);
    }
  });
});
