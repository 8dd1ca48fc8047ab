import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A port that leads to a database with a unix socket only. */
export interface TcpDoor extends AsyncDisposable {
  /** The URL of the database through the port. */
  readonly url: string;
}

/** Opens a port on an address of this machine. `databaseUrl` is that of a `PostgresServer`. */
export async function openTcpDoor(databaseUrl: string, address: string): Promise<TcpDoor> {
  const { username, hostname, pathname } = new URL(databaseUrl);
  const socketPath = `${decodeURIComponent(hostname)}/.s.PGSQL.5432`;
  const sockets = new Set<Socket>();
  const server = createServer((outside) => {
    const inside = connect(socketPath);
    for (const [socket, other] of [
      [outside, inside],
      [inside, outside],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy()).on('close', () => sockets.delete(socket));
      socket.pipe(other);
    }
  });
  server.listen(0, address);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `postgres://${username}@${address}:${port}${pathname}`,
    [Symbol.asyncDispose]: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}
