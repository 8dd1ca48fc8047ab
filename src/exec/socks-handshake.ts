import { once } from 'node:events';
import { isIPv4, isIPv6, type Socket } from 'node:net';

const version = 5;
const methods = { none: 0, password: 2 };
const addressTypes = { ipv4: 1, name: 3, ipv6: 4 };

/** RFC 1928, 6. */
const refusals = [
  'general failure',
  'not allowed by its rules',
  'network unreachable',
  'host unreachable',
  'connection refused',
  'TTL expired',
  'command not supported',
  'address type not supported',
];

/**
 * Requests a connection from a SOCKS 5 proxy (RFC 1928, with the password of RFC 1929). Leaves the
 * bytes behind the answer in the socket.
 */
export async function connectBySocks(
  socket: Socket,
  target: { readonly host: string; readonly port: number },
  credentials: { readonly name: string; readonly password: string } | undefined,
): Promise<void> {
  const offered = credentials === undefined ? [methods.none] : [methods.none, methods.password];
  socket.write(Buffer.from([version, offered.length, ...offered]));
  const [, method = 0xff] = await readBytes(socket, 2);
  if (!offered.includes(method)) throw new Error('the SOCKS proxy accepts none of the ways to log in');
  if (method === methods.password && credentials !== undefined) {
    socket.write(Buffer.concat([Buffer.from([1]), counted(credentials.name), counted(credentials.password)]));
    const [, status] = await readBytes(socket, 2);
    if (status !== 0) throw new Error('the SOCKS proxy refuses the name or the password');
  }
  const port = Buffer.from([target.port >> 8, target.port & 0xff]);
  socket.write(Buffer.concat([Buffer.from([version, 1, 0]), addressOf(target.host), port]));
  const [answered, status = 0, , type] = await readBytes(socket, 4);
  if (answered !== version) throw new Error('the proxy does not speak SOCKS 5');
  if (status !== 0) throw new Error(`the SOCKS proxy refuses: ${refusals[status - 1] ?? `reply ${status}`}`);
  const length =
    type === addressTypes.ipv4 ? 4 : type === addressTypes.ipv6 ? 16 : ((await readBytes(socket, 1))[0] ?? 0);
  await readBytes(socket, length + 2);
}

function addressOf(host: string): Buffer {
  if (isIPv4(host)) return Buffer.from([addressTypes.ipv4, ...host.split('.').map(Number)]);
  if (isIPv6(host)) return Buffer.concat([Buffer.from([addressTypes.ipv6]), ipv6Bytes(host)]);
  return Buffer.concat([Buffer.from([addressTypes.name]), counted(host)]);
}

function ipv6Bytes(address: string): Buffer {
  // A URL normalizes an address: no IPv4 part, and at most one omitted run of zeros.
  const url = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [before = [], after = []] = url.split('::').map((part) => part.split(':').filter((group) => group !== ''));
  const groups = [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after];
  return Buffer.from(groups.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]));
}

function counted(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.byteLength > 255) throw new Error('is too long for SOCKS');
  return Buffer.concat([Buffer.from([bytes.byteLength]), bytes]);
}

async function readBytes(socket: Socket, count: number): Promise<Buffer> {
  for (;;) {
    const bytes: unknown = socket.read(count);
    if (Buffer.isBuffer(bytes) && bytes.byteLength === count) return bytes;
    if (bytes !== null || socket.readableEnded || socket.destroyed)
      throw new Error('the SOCKS proxy ends the connection');
    await readableOrClosed(socket);
  }
}

/** Resolves when the socket is readable or has ended. Rejects with its error. */
async function readableOrClosed(socket: Socket): Promise<void> {
  const over = new AbortController();
  const events = ['readable', 'end', 'close'].map((event) => once(socket, event, { signal: over.signal }));
  try {
    await Promise.race(events);
  } finally {
    over.abort();
    await Promise.allSettled(events);
  }
}
