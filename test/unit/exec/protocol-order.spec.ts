import { expect } from 'chai';

import { execProtocols, ProtocolOrder } from '../../../src/exec/protocol-order.ts';

const [spdy, v4, v5] = execProtocols as ['SPDY/3.1', 'v4.channel.k8s.io', 'v5.channel.k8s.io'];

describe('ProtocolOrder', () => {
  it('keeps the given order until an attempt has a result', () => {
    expect(new ProtocolOrder(execProtocols).names).to.deep.equal([spdy, v4, v5]);
    expect(new ProtocolOrder([v5]).names).to.deep.equal([v5]);
  });

  it('begins with the first protocol over which data arrived', () => {
    const order = new ProtocolOrder(execProtocols);
    order.prove(v4);
    expect(order.names).to.deep.equal([v4, spdy, v5]);
    order.prove(v5);
    expect(order.names).to.deep.equal([v4, spdy, v5]);
  });

  it('ends with a protocol over which no data arrived, as long as none is proven', () => {
    const order = new ProtocolOrder(execProtocols);
    order.doubt(spdy);
    expect(order.names).to.deep.equal([v4, v5, spdy]);
    order.doubt(v4);
    expect(order.names).to.deep.equal([v5, spdy, v4]);
    order.prove(spdy);
    order.doubt(spdy);
    expect(order.names).to.deep.equal([spdy, v5, v4]);
  });
});
