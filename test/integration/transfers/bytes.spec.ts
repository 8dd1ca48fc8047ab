import { randomBytes } from 'node:crypto';

import { expect } from 'chai';
import fc from 'fast-check';
import type { ExecConnection } from '../../../src/exec/exec-connection.ts';
import { openExec } from '../../../src/exec/open-exec.ts';
import { type ExecProtocol, execProtocols, ProtocolOrder } from '../../../src/exec/protocol-order.ts';
import { maxStdinBytes } from '../../../src/exec/stdin-frames.ts';
import { ClientNodeCluster } from '../../../src/kubernetes/api/client-node-cluster.ts';
import { TransferRig } from '../../support/rig/transfer-rig.ts';
import { Tripwire } from '../../support/tripwire.ts';

describe('the bytes of an exec', () => {
  let tripwire: Tripwire;
  let rig: TransferRig;
  const noise = randomBytes(3 * maxStdinBytes + 10);

  before(async () => {
    tripwire = await Tripwire.set();
    rig = await TransferRig.start();
  });

  afterEach(async () => {
    await rig.quiet();
  });

  after(async () => {
    await rig[Symbol.asyncDispose]();
    await tripwire.check();
  });

  async function cat(protocol: ExecProtocol): Promise<ExecConnection> {
    const cluster = await ClientNodeCluster.fromConfig({ kubeConfig: rig.api.kubeConfig(), namespace: 'ci' });
    return await openExec(await cluster.execEndpoint({ podName: 'pod', containerName: 'main', command: ['cat'] }), {
      protocols: new ProtocolOrder([protocol]),
    });
  }

  /** Writes pieces in order, and returns the echoed bytes. */
  function echoOver(connection: ExecConnection): (pieces: readonly Buffer[]) => Promise<Buffer> {
    let received: Buffer[] = [];
    let arrived: (() => void) | undefined;
    connection.start({
      data: (chunk) => {
        received.push(Buffer.from(chunk));
        arrived?.();
      },
      end: () => arrived?.(),
    });
    return async (pieces) => {
      received = [];
      const expected = pieces.reduce((sum, { length }) => sum + length, 0);
      for (const piece of pieces) await connection.write([piece]);
      while (received.reduce((sum, { length }) => sum + length, 0) < expected)
        await new Promise<void>((resolve) => (arrived = resolve));
      return Buffer.concat(received);
    };
  }

  for (const protocol of execProtocols) {
    it(`return unchanged over ${protocol}, for every size around the limits of a message`, async () => {
      const connection = await cat(protocol);
      const echo = echoOver(connection);
      const sizes = [1, 2, 125, 126, 127, 32_767, 32_768, 32_769, 65_534, 65_535, 65_536];
      for (const count of [1, 2, 3])
        sizes.push(count * maxStdinBytes - 1, count * maxStdinBytes, count * maxStdinBytes + 1);
      for (const size of sizes) {
        const sent = noise.subarray(0, size);
        expect((await echo([sent])).equals(sent), `${size} bytes`).to.equal(true);
      }
      const exec = await rig.api.exec(0);
      expect(exec.bytesToPod).to.equal(sizes.reduce((sum, size) => sum + size, 0));
      connection.close();
    });

    it(`return unchanged over ${protocol}, for any chunks`, async () => {
      const connection = await cat(protocol);
      const echo = echoOver(connection);
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 0, max: 60_000 }), { maxLength: 12 }),
          fc.nat({ max: 10_000 }),
          async (lengths, from) => {
            const pieces: Buffer[] = [];
            let at = from;
            for (const length of lengths) {
              pieces.push(noise.subarray(at, at + length));
              at = (at + length) % (noise.length - 60_000);
            }
            const sent = Buffer.concat(pieces);
            return (await echo(pieces)).equals(sent);
          },
        ),
        { numRuns: 40 },
      );
      connection.close();
    });
  }

  it('pass both ways concurrently through the agent, and end with the command', async () => {
    const client = rig.client();
    await client.start({ processId: 'cat', args: ['cat'], stdin: true });
    const received: Uint8Array[] = [];
    const attachment = await client.attach(
      { processId: 'cat', stdin: true },
      { stdout: (chunk) => void received.push(chunk) },
    );
    const sent = randomBytes(6_000_000);
    for (let at = 0; at < sent.length; at += 500_000) await attachment.sendStdin(sent.subarray(at, at + 500_000));
    await attachment.endStdin();
    expect(await attachment.result).to.include({ exitStatus: 0, stdoutBytes: sent.length });
    expect(Buffer.concat(received).equals(sent)).to.equal(true);
    await client.remove({ processId: 'cat' });
  });
});
