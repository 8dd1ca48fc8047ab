import { expect } from 'chai';
import { nestedPoints } from '../../../src/embedded/isolation/mount-points.ts';
import { inheritedOptions, mountTable, parseMountInfo } from '../../../src/embedded/isolation/mount-table.ts';
import { expandVariables } from '../../../src/embedded/kubelet/expansion.ts';
import { judgeImage } from '../../../src/embedded/kubelet/image-name.ts';
import { checkLabelValue, checkQualifiedName, checkSubdomain } from '../../../src/embedded/objects/names.ts';
import { parseQuantity } from '../../../src/embedded/objects/quantity.ts';
import { ApiError } from '../../../src/embedded/objects/status.ts';
import { negotiate } from '../../../src/embedded/server/representation.ts';
import { parseRequest } from '../../../src/embedded/server/request-info.ts';
import { shortDuration } from '../../../src/embedded/server/table.ts';

describe('judgeImage', () => {
  for (const image of [
    'busybox',
    'registry.local/busybox:1',
    'localhost:5000/a/b:v1.2',
    `a@sha256:${'0'.repeat(64)}`,
    'docker.io/library/x-y_z:T',
  ]) {
    it(`takes ${image} for this machine`, () => {
      expect(judgeImage(image).verdict).to.equal('present');
    });
  }
  for (const image of ['registry.invalid/x:1', 'invalid:5000/x', 'busybox:does-not-exist', 'does-not-exist/x']) {
    it(`cannot pull ${image}`, () => {
      expect(judgeImage(image).verdict).to.equal('unavailable');
    });
  }
  for (const image of ['', 'Upper', 'a b', 'x:', 'x:tag:tag', 'Registry/X Y:1', 'a//b', 'x@sha256:zz']) {
    it(`finds no image name in ${JSON.stringify(image)}`, () => {
      expect(judgeImage(image).verdict).to.equal('invalid');
    });
  }
});

describe('expandVariables', () => {
  it('replaces what is known, keeps what is not, and unescapes', () => {
    const variables = new Map([
      ['A', 'x'],
      ['B', '$(A)'],
    ]);
    expect(expandVariables('$(A)-$(NO)-$$(A)-$(B)-$A-$', variables)).to.equal('x-$(NO)-$(A)-$(A)-$A-$');
  });
});

describe('parseQuantity', () => {
  for (const [text, value] of [
    ['500m', 0.5],
    ['1', 1],
    ['1Gi', 2 ** 30],
    ['1.5k', 1500],
    ['2e3', 2000],
    ['.5', 0.5],
    ['1E', 1e18],
  ] as const) {
    it(`reads ${text}`, () => {
      expect(parseQuantity(text)).to.equal(value);
    });
  }
  it('refuses what is none', () => {
    for (const text of ['', 'x', '1 Gi', '1gi', '--1']) expect(parseQuantity(text)).to.equal(undefined);
  });
});

describe('names', () => {
  it('checks names, label keys and label values', () => {
    expect(checkSubdomain('a-b.c1')).to.equal(undefined);
    for (const bad of ['A', 'a_b', '-a', 'a.', 'a..b', 'x'.repeat(254)])
      expect(checkSubdomain(bad), bad).to.be.a('string');
    expect(checkQualifiedName('example.com/Some_name.1')).to.equal(undefined);
    for (const bad of ['', 'a/b/c', '/a', 'A.com/b', 'a b', 'x'.repeat(64)])
      expect(checkQualifiedName(bad), bad).to.be.a('string');
    expect(checkLabelValue('')).to.equal(undefined);
    for (const bad of ['a/b', '-a', 'x'.repeat(64)]) expect(checkLabelValue(bad), bad).to.be.a('string');
  });
});

describe('mountTable', () => {
  const info = parseMountInfo(
    '1 0 8:1 / / rw,relatime - ext4 /dev/a rw\n2 1 0:5 / /t\\040mp rw,nosuid,nodev - tmpfs tmpfs rw\n',
  );

  it('writes binds in order, with blanks as fstab wants them', () => {
    const table = mountTable(
      '/new root',
      [
        { step: 'directory', path: '/a' },
        { step: 'bind', path: '/a b', source: '/x', readOnly: false, recursive: true },
      ],
      info,
    );
    expect(table).to.equal('/x /new\\040root/a\\040b none rbind 0 0\n');
  });

  it('repeats the options that may not be taken off, on a read-only bind', () => {
    expect(inheritedOptions('/t mp/volume', info)).to.deep.equal(['nosuid', 'nodev']);
    expect(inheritedOptions('/home', info)).to.deep.equal([]);
    const table = mountTable(
      '/r',
      [{ step: 'bind', path: '/a', source: '/t mp/v', readOnly: true, recursive: false }],
      info,
    );
    expect(table).to.equal('/t\\040mp/v /r/a none bind,ro,nosuid,nodev 0 0\n');
  });
});

describe('nestedPoints', () => {
  it('finds the innermost mount that each lies in', () => {
    const mount = (path: string) => ({ path, source: `/v${path}`, kind: 'directory' as const, readOnly: false });
    const points = nestedPoints([mount('/a/b/c'), mount('/a'), mount('/a/b'), mount('/ab')]);
    expect(points.map(({ mount: { path }, point }) => [path, point])).to.deep.equal([
      ['/a/b', '/v/a/b'],
      ['/a/b/c', '/v/a/b/c'],
    ]);
  });
});

describe('parseRequest', () => {
  it('reads collections, objects and subresources', () => {
    const { verb, target } = parseRequest('GET', '/api/v1/namespaces/n/pods/p/log?follow=true');
    expect([verb, target?.resource.plural, target?.namespace, target?.name, target?.subresource]).to.deep.equal([
      'get',
      'pods',
      'n',
      'p',
      'log',
    ]);
    expect(parseRequest('GET', '/api/v1/pods?watch=1').verb).to.equal('watch');
    expect(parseRequest('DELETE', '/api/v1/namespaces/n/pods').verb).to.equal('deletecollection');
    expect(parseRequest('GET', '/api/v1/namespaces/n').target?.name).to.equal('n');
  });

  it('answers an unknown kind with 404 and a malformed path with 400', () => {
    expect(() => parseRequest('GET', '/api/v1/nothings'))
      .to.throw(ApiError)
      .with.property('code', 404);
    expect(() => parseRequest('GET', '/api/v1/pods/%zz'))
      .to.throw(ApiError)
      .with.property('code', 400);
  });
});

describe('negotiate', () => {
  it('finds the first form that can be served', () => {
    expect(negotiate('application/json;as=Table;v=v1;g=meta.k8s.io,application/json')).to.equal('table');
    expect(negotiate('application/vnd.kubernetes.protobuf, application/json')).to.equal('object');
    expect(negotiate(undefined)).to.equal('object');
    expect(() => negotiate('text/html'))
      .to.throw(ApiError)
      .with.property('code', 406);
  });
});

describe('shortDuration', () => {
  for (const [ms, text] of [
    [0, '0s'],
    [119_000, '119s'],
    [120_000, '2m'],
    [305_000, '5m5s'],
    [3_600_000, '60m'],
    [11_100_000, '3h5m'],
    [100_000_000, '27h'],
    [300_000_000, '3d'],
    [Number.NaN, '<unknown>'],
  ] as const) {
    it(`writes ${text}`, () => {
      expect(shortDuration(ms)).to.equal(text);
    });
  }
});
