import type { CanonicalImage } from './image-reference.ts';
import type { Credential } from './registry-login.ts';

/** Docker's own names for its registry, as its configuration files have them. */
const dockerHosts = ['index.docker.io', 'registry-1.docker.io'];

/**
 * Returns the credentials for an image, the most specific entry first, by the rules of the kubelet:
 * an entry names a host, which may contain `*` for a part of it, and optionally the beginning of a
 * repository.
 *
 * @param configs - texts of the type `kubernetes.io/dockerconfigjson`. Invalid ones are ignored, as
 * the kubelet does
 */
export function credentialsFor(
  configs: readonly string[],
  { registry, repository }: Pick<CanonicalImage, 'registry' | 'repository'>,
): readonly Credential[] {
  return configs
    .flatMap((config) => Object.entries(fieldsOf(fieldsOf(parsed(config))['auths'])))
    .map(([server, entry]) => ({ place: placeOf(server), credential: credentialOf(fieldsOf(entry)) }))
    .filter(({ place }) => hostMatches(place.host, registry) && repository.startsWith(place.path))
    .toSorted((a, b) => lengthOf(b.place) - lengthOf(a.place))
    .flatMap(({ credential }) => credential ?? []);
}

interface Place {
  readonly host: string;
  readonly path: string;
}

function placeOf(server: string): Place {
  const [name = '', ...path] = server.replace(/^https?:\/\//, '').split('/');
  const host = name.toLowerCase().replace(/:443$/, '');
  const rest = path.join('/').replace(/^v[12]\/?$/, '');
  return { host: dockerHosts.includes(host) ? 'docker.io' : host, path: rest };
}

function lengthOf({ host, path }: Place): number {
  return host.length + path.length;
}

function hostMatches(pattern: string, host: string): boolean {
  const [parts, others] = [pattern.split('.'), host.split('.')];
  return parts.length === others.length && parts.every((part, index) => partMatches(part, others[index] ?? ''));
}

/** `*` stands for any text within a part of a host. */
function partMatches(pattern: string, part: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return first === part;
  if (!part.startsWith(first) || !part.endsWith(last) || part.length < first.length + last.length) return false;
  let from = first.length;
  for (const piece of rest) {
    const found = part.indexOf(piece, from);
    if (found === -1 || found + piece.length > part.length - last.length) return false;
    from = found + piece.length;
  }
  return true;
}

function credentialOf({ username, password, auth }: Record<string, unknown>): Credential | undefined {
  if (typeof username === 'string' && typeof password === 'string') return { username, password };
  const [, user, secret] = /^([^:]*):(.*)$/s.exec(Buffer.from(textOf(auth), 'base64').toString()) ?? [];
  return user === undefined || secret === undefined ? undefined : { username: user, password: secret };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
