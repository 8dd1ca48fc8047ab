import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { expect } from 'chai';

import { execProtocols } from '../../../src/exec/protocol-order.ts';
import { TransferRig } from '../../support/rig/transfer-rig.ts';
import { readTarText, tarOf } from '../../support/tar.ts';
import { Tripwire } from '../../support/tripwire.ts';

for (const tls of [false, true]) {
  describe(`transfers over a server without faults, ${tls ? 'with' : 'without'} TLS`, () => {
    let tripwire: Tripwire;
    let rig: TransferRig;

    before(async () => {
      tripwire = await Tripwire.set();
      rig = await TransferRig.start({ tls });
    });

    afterEach(async () => {
      await rig.quiet();
    });

    after(async () => {
      await rig[Symbol.asyncDispose]();
      await tripwire.check();
    });

    for (const protocol of execProtocols) {
      it(`upload and download an archive over ${protocol} on one connection`, async () => {
        const volume = protocol.replace('/', '-');
        const client = rig.client({ protocols: [protocol] });
        const archive = await tarOf({
          noise: randomBytes(3_000_000),
          text: 'text '.repeat(100_000),
          empty: '',
          folder: null,
        });
        const up = await client.receive({ volume }, Readable.from([archive]));
        expect(up).to.include({ bytes: archive.length, entries: 4 });
        const { readable, completed } = await client.send({ volume });
        const down = await buffer(readable);
        expect((await completed).bytes).to.equal(down.length);
        expect(await readTarText(down)).to.deep.equal(await readTarText(archive));
        expect(rig.api.execs.map((exec) => exec.protocol)).to.deep.equal([protocol]);
      });
    }
  });
}
