import { readFileSync } from 'node:fs';

import { expect } from 'chai';

import { type Cause, type CauseFacts, type CauseSource, causes, findCause } from '../../../src/errors/causes.ts';

const titles: Readonly<Record<CauseSource, string>> = {
  api: 'Responses of the API server',
  exec: 'Refused execs',
  image: 'Containers waiting for their image',
  container: 'Containers that do not start',
  pod: 'Pods that end',
};

/** Returns the tables in the format of `docs/errors.md`. */
function printed(): string {
  const parts = Object.entries(titles).map(([source, title]) => {
    const rows = causes.filter((cause) => cause.source === source).map(rowOf);
    const head = ['| when | message has one of | code | retryable | final |', '|---|---|---|---|---|'];
    return [`### ${title}`, '', ...head, ...rows].join('\n');
  });
  return parts.join('\n\n');
}

function rowOf({ verbs, statuses, reasons, words, code, retryable, final }: Cause): string {
  const when = [...(verbs ?? []), ...(statuses ?? []), ...(reasons ?? [])].map(quoted).join(', ');
  const cells = [
    when === '' ? (words === undefined ? 'otherwise' : 'any') : when,
    (words ?? []).map(quoted).join(', '),
    quoted(code),
    retryable ? 'yes' : 'no',
    final,
  ];
  return `| ${cells.join(' | ')} |`;
}

function quoted(text: string): string {
  return `\`${text}\``;
}

describe('the table of causes', () => {
  it('equals the tables of docs/errors.md', () => {
    const text = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
    const [, table] = /<!-- causes -->\n\n([\s\S]*)\n\n<!-- end of causes -->/.exec(text) ?? [];
    expect(table).to.equal(printed());
  });

  it('has a last row for all other messages of a source', () => {
    for (const source of ['api', 'exec', 'container', 'pod'] as const)
      expect(findCause(source, { status: 418, reason: 'New', message: 'new words' }), source).to.not.equal(undefined);
    expect(findCause('image', { reason: 'ErrImagePull', message: 'new words' })).to.include({
      retryable: true,
      final: 'time-out',
    });
    expect(findCause('image', { reason: 'CreateContainerError' })).to.equal(undefined);
  });

  const refused = 'pods "kw-1" is forbidden: ';
  const answers: readonly (readonly [string, number, string, Partial<Cause>])[] = [
    [
      'a full quota',
      403,
      `${refused}exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1`,
      { code: 'KW_ERR_QUOTA_EXCEEDED', retryable: true },
    ],
    [
      'a quota without a status yet',
      403,
      `${refused}status unknown for quota: q, resources: pods`,
      { code: 'KW_ERR_QUOTA_EXCEEDED', retryable: true },
    ],
    [
      'a quota that requires limits',
      403,
      `${refused}failed quota: q: must specify limits.cpu for: main`,
      { code: 'KW_ERR_ADMISSION_DENIED' },
    ],
    [
      'a LimitRange',
      403,
      `${refused}maximum cpu usage per Container is 1, but limit is 2`,
      { code: 'KW_ERR_ADMISSION_DENIED', retryable: false },
    ],
    [
      'Pod Security',
      403,
      `${refused}violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false`,
      { code: 'KW_ERR_ADMISSION_DENIED' },
    ],
    [
      'a webhook',
      400,
      'admission webhook "policy.example" denied the request: no',
      { code: 'KW_ERR_ADMISSION_DENIED' },
    ],
    [
      'a terminating namespace',
      403,
      'unable to create new content in namespace ci because it is being terminated',
      { code: 'KW_ERR_ADMISSION_DENIED' },
    ],
    [
      'a missing permission',
      403,
      'pods is forbidden: User "u" cannot create resource "pods" in API group "" in the namespace "ci"',
      { code: 'KW_ERR_FORBIDDEN' },
    ],
    [
      'a missing permission for one pod',
      403,
      `${refused}User "u" cannot get resource "pods"`,
      { code: 'KW_ERR_FORBIDDEN' },
    ],
    ['a 403 without a message', 403, '<html>', { code: 'KW_ERR_FORBIDDEN' }],
    [
      'an object that is too large for etcd',
      500,
      'etcdserver: request is too large',
      { code: 'KW_ERR_API_ERROR', retryable: false },
    ],
    [
      'a server error',
      500,
      'etcdserver: leader changed',
      { code: 'KW_ERR_API_UNAVAILABLE', retryable: true, final: 'time-out' },
    ],
    ['too many requests', 429, 'later', { code: 'KW_ERR_TOO_MANY_REQUESTS', retryable: true, final: 'time-out' }],
  ];
  for (const [what, status, message, expected] of answers) {
    it(`classifies ${what} as ${expected.code}`, () => {
      expect(findCause('api', { verb: 'create', status, reason: 'Forbidden', message })).to.include(expected);
    });
  }

  it('distinguishes two creations that collide at a quota from an existing name', () => {
    const conflict = (verb: string, reason: string): CauseFacts => ({ verb, status: 409, reason, message: 'words' });
    expect(findCause('api', conflict('create', 'Conflict'))).to.include({ code: 'KW_ERR_API_UNAVAILABLE' });
    expect(findCause('api', conflict('create', 'AlreadyExists'))).to.include({ code: 'KW_ERR_CONFLICT' });
    expect(findCause('api', conflict('delete', 'Conflict'))).to.include({ code: 'KW_ERR_CONFLICT' });
  });

  const noSuchFile = 'no such file or directory';
  const execs: readonly (readonly [string, string, boolean])[] = [
    [
      'containerd restarts',
      `rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing dial unix /run/containerd/containerd.sock: connect: ${noSuchFile}"`,
      true,
    ],
    [
      'CRI-O restarts',
      `rpc error: code = Unavailable desc = dial unix /var/run/crio/crio.sock: connect: ${noSuchFile}`,
      true,
    ],
    [
      'the files of a task are being removed',
      `failed to load task: open /run/containerd/io.containerd.runtime.v2.task/k8s.io/1/address: ${noSuchFile}`,
      true,
    ],
    ['the runtime is slow', 'failed to exec in container: timeout 10s exceeded: context deadline exceeded', true],
    ['the shim has exited', 'ttrpc: closed: unknown', true],
    [
      'runc finds no program',
      `OCI runtime exec failed: exec failed: unable to start container process: exec: "/x": stat /x: ${noSuchFile}: unknown`,
      false,
    ],
    ['crun finds no program', 'crun: executable file `/x` not found: No such file or directory', false],
    ['the program is for another architecture', 'exec /x: exec format error', false],
    ['the program may not be executed', 'exec: "/x": permission denied', false],
  ];
  for (const [what, message, retryable] of execs) {
    it(`${retryable ? 'retries an exec' : 'fails an exec'} if ${what}`, () => {
      expect(findCause('exec', { status: 500, message })).to.include({ retryable });
    });
  }

  it('finds a pattern in one pass over a message of any length', () => {
    const message = 'exec: "'.repeat(100_000);
    expect(findCause('exec', { status: 500, message })).to.include({ retryable: true });
  });
});
