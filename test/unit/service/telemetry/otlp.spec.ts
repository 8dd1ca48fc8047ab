import { expect } from 'chai';

import { MissingPackageError, optionalPackage } from '../../../../src/service/telemetry/optional-package.ts';
import { parseHeaders } from '../../../../src/service/telemetry/otlp.ts';
import { prometheusName } from '../../../../src/service/telemetry/prometheus-names.ts';
import { rejection } from '../../../support/rejection.ts';

describe('parseHeaders()', () => {
  it('has one header a line, and skips comments and lines without a name', () => {
    expect(parseHeaders('Authorization: Bearer a:b\r\n# note: x\n\nX-Scope:1\n: no name\nno colon\n')).to.deep.equal({
      authorization: 'Bearer a:b',
      'x-scope': '1',
    });
  });
});

describe('prometheusName()', () => {
  for (const [name, unit, expected] of [
    ['kubernetes_worker.transfer.duration', 's', 'kubernetes_worker_transfer_duration_seconds'],
    ['kubernetes_worker.transfer.bytes', 'By', 'kubernetes_worker_transfer_bytes'],
    ['nodejs.eventloop.utilization', '1', 'nodejs_eventloop_utilization_ratio'],
    ['kubernetes_worker.transfer.attempts', '{attempt}', 'kubernetes_worker_transfer_attempts'],
    ['kubernetes_worker.build_info', '', 'kubernetes_worker_build_info'],
  ] as const) {
    it(`names ${name} in ${unit === '' ? 'no unit' : unit} ${expected}`, () => {
      expect(prometheusName(name, unit)).to.equal(expected);
    });
  }
});

describe('optionalPackage()', () => {
  it('names the package to install if it is missing', async () => {
    const missing = Object.assign(new Error('no'), { code: 'ERR_MODULE_NOT_FOUND' });
    const error = await rejection(optionalPackage('@x/y', 'metrics.port', () => Promise.reject(missing)));
    expect(error).to.be.instanceOf(MissingPackageError);
    expect(error.message).to.equal('metrics.port needs the package @x/y: install it with "npm install @x/y"');
  });

  it('rejects with any other failure of the package as it is', async () => {
    const broken = new Error('broken');
    expect(await rejection(optionalPackage('@x/y', 'z', () => Promise.reject(broken)))).to.equal(broken);
  });
});
