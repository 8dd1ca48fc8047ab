import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below the ports that the system gives to connections: none of them takes the port before its server listens. */
const [first, count] = [20_000, 10_000];
// Processes that run at the same time begin at different ports.
let next = (process.pid * 37) % count;

/** Returns a free port of loopback, for a program that cannot choose one by itself. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = first + (next % count);
    next += 1;
    const server = createServer();
    const isFree = await once(server.listen(port, '127.0.0.1'), 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
