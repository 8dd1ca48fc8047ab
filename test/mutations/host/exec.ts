import type { Mutant } from '../../../scripts/mutant.ts';

/** Changes of `src/exec` that a test must detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'an aborted handshake keeps its connection to a proxy',
    file: 'src/exec/open-exec.ts',
    find: '    this.#aborted.abort();\n',
    replace: '',
    killedBy: { specs: ['test/integration/exec/proxy.spec.ts'], grep: 'leaves no socket' },
  },
  {
    name: 'a message of a WebSocket may be of any size',
    file: 'src/exec/websocket/web-socket-protocol.ts',
    find: '    maxPayload: maxMessageBytes,\n',
    replace: '',
    killedBy: { specs: ['test/integration/exec/web-socket.spec.ts'], grep: 'above 4 MiB' },
  },
  {
    name: 'the masks of a WebSocket within TLS are random',
    file: 'src/exec/websocket/web-socket-protocol.ts',
    find: '    ...(target.isSecure ? { generateMask: zeroMask } : {}),\n',
    replace: '',
    killedBy: { specs: ['test/integration/exec/web-socket.spec.ts'], grep: 'is zero within TLS' },
  },
  {
    name: 'a WebSocket waits for a blocked write after the FIN of the server',
    file: 'src/exec/websocket/web-socket-wire.ts',
    find: ".on('end', () => this.#websocket.terminate())",
    replace: '',
    killedBy: { specs: ['test/integration/exec/web-socket.spec.ts'], grep: 'FIN while a write is blocked' },
  },
];
