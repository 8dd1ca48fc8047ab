import { expect } from 'chai';

import { execProtocols, ProtocolOrder } from '../../../src/exec/protocol-order.ts';

const [spdy, v4, v5] = execProtocols as ['SPDY/3.1', 'v4.channel.k8s.io', 'v5.channel.k8s.io'];

describe('the order of an exec’s protocols', () => {
  it('is as given until something is learned', () => {
    expect(new ProtocolOrder(execProtocols).names).to.deep.equal([spdy, v4, v5]);
    expect(new ProtocolOrder([v5]).names).to.deep.equal([v5]);
  });

  it('begins with the one over which something came first', () => {
    const order = new ProtocolOrder(execProtocols);
    order.prove(v4);
    expect(order.names).to.deep.equal([v4, spdy, v5]);
    order.prove(v5);
    expect(order.names).to.deep.equal([v4, spdy, v5]);
  });

  it('ends with the one over which nothing came, as long as none is proven', () => {
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
