import { BlockList, isIP } from 'node:net';

/**
 * Returns the proxy of the environment for a URL, by the rules of Go's HTTP client, which kubectl
 * uses: `HTTPS_PROXY` or `HTTP_PROXY` by the scheme of the URL, none for this machine, none for the
 * hosts of `NO_PROXY`.
 */
export function environmentProxy(url: URL, environment: NodeJS.ProcessEnv): string | undefined {
  const proxy = url.protocol === 'https:' ? variable(environment, 'HTTPS_PROXY') : variable(environment, 'HTTP_PROXY');
  if (proxy === undefined) return undefined;
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (isLoopback(host) || isExempt(host, portOf(url), variable(environment, 'NO_PROXY') ?? '')) return undefined;
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(proxy) ? proxy : `http://${proxy}`;
}

/** Returns the variable in upper case, else in lower case. */
function variable(environment: NodeJS.ProcessEnv, name: string): string | undefined {
  const value = environment[name] ?? '';
  const found = value === '' ? (environment[name.toLowerCase()] ?? '') : value;
  return found === '' ? undefined : found;
}

function portOf({ port, protocol }: URL): string {
  return port === '' ? (protocol === 'https:' ? '443' : '80') : port;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/**
 * Returns whether an entry matches the host. An entry is `*`, a domain with its subdomains,
 * `.domain` for subdomains only, an address, or a CIDR range; each except a range may end with a
 * port.
 */
function isExempt(host: string, port: string, list: string): boolean {
  return list
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .some((entry) => entry !== '' && (entry === '*' || matches(entry, host, port)));
}

function matches(entry: string, host: string, port: string): boolean {
  const range = /^(.+)\/(\d{1,3})$/.exec(entry);
  if (range !== null) return isInRange(host, range[1] ?? '', Number(range[2]));
  const [, bracketed, plain = '', ofPort] = /^(?:\[(.+)\]|([^:]+|.*:.*:.*?))(?::(\d+))?$/.exec(entry) ?? [];
  const name = bracketed ?? plain;
  if (name === '' || (ofPort !== undefined && ofPort !== port)) return false;
  if (isIP(host) !== 0) return name === host;
  const domain = name.replace(/^\*\./, '.');
  return domain.startsWith('.') ? host.endsWith(domain) : host === domain || host.endsWith(`.${domain}`);
}

function isInRange(host: string, address: string, prefix: number): boolean {
  const family = isIP(address);
  if (family === 0 || isIP(host) !== family || prefix > (family === 4 ? 32 : 128)) return false;
  const range = new BlockList();
  range.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6');
  return range.check(host, family === 4 ? 'ipv4' : 'ipv6');
}
