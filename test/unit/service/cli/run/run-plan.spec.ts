import { expect } from 'chai';

import { cpuMilli, memoryBytes } from '../../../../../src/service/cli/run/quantities.ts';
import { planRun, type RunArguments } from '../../../../../src/service/cli/run/run-plan.ts';

const plain: RunArguments = { image: 'busybox', command: ['ls', '-l', '/'], input: [], output: [], env: [] };

describe('the plan of run', () => {
  it('has the command, and nothing that was not given', () => {
    expect(planRun(plain)).to.deep.equal({
      image: 'busybox',
      path: 'ls',
      args: ['-l', '/'],
      env: [],
      inputs: [],
      outputs: [],
      dir: undefined,
      user: undefined,
      limits: {},
    });
  });

  it('has inputs, whose folders may contain colons, and outputs, whose targets may contain equal signs', () => {
    const plan = planRun({ ...plain, input: ['./a:b:/src', '.:in'], output: ['out=x=y', '/abs=./z.tar'] });
    expect(plan.inputs).to.deep.equal([
      { folder: './a:b', path: '/src' },
      { folder: '.', path: 'in' },
    ]);
    expect(plan.outputs).to.deep.equal([
      { name: 'out', target: 'x=y' },
      { name: '/abs', target: './z.tar' },
    ]);
  });

  it('has a working directory if a path is relative, and the given one before that', () => {
    expect(planRun({ ...plain, input: ['.:/src'] }).dir).to.equal(undefined);
    expect(planRun({ ...plain, input: ['.:src'] }).dir).to.equal('/work');
    expect(planRun({ ...plain, output: ['out=out'] }).dir).to.equal('/work');
    expect(planRun({ ...plain, output: ['out=out'], dir: '/here' }).dir).to.equal('/here');
  });

  it('has limits', () => {
    expect(planRun({ ...plain, cpu: '500m', memory: '1Gi' }).limits).to.deep.equal({
      cpuMilli: 500,
      memoryBytes: 1024 ** 3,
    });
  });

  for (const [field, value] of [
    ['input', 'source'],
    ['input', ':/src'],
    ['input', 'source:'],
    ['output', 'name'],
    ['output', '=path'],
    ['output', 'name='],
    ['env', 'NAME'],
    ['env', '=value'],
  ] as const) {
    it(`is refused with --${field} ${value}`, () => {
      expect(() => planRun({ ...plain, [field]: [value] }))
        .to.throw(`--${field}`)
        .with.property('exitCode', 64);
    });
  }

  it('is refused with outputs whose targets are the same place or within each other', () => {
    const refused = (...output: readonly string[]): Chai.Assertion =>
      expect(() => planRun({ ...plain, output }), output.join(' ')).to.throw('--output: ');
    refused('a=x', 'b=x').with.property('exitCode', 64);
    refused('a=x', 'b=./y/../x/').with.property('message', '--output: two outputs have the target x');
    refused('a=x', 'b=x/b').with.property('message', '--output: x/b is in x, another target');
    refused('a=x/y.tar', 'b=.').with.property('message', '--output: x/y.tar is in ., another target');
    expect(planRun({ ...plain, output: ['a=x', 'b=xy', 'c=..x'] }).outputs).to.have.length(3);
  });

  it('is refused with two outputs of one name', () => {
    expect(() => planRun({ ...plain, output: ['a=x', 'a=y'] })).to.throw('--output: a is given twice');
  });
});

describe('a quantity', () => {
  it('of CPUs is a number or thousandths', () => {
    expect(['2', '0.5', '250m', '1.25'].map(cpuMilli)).to.deep.equal([2000, 500, 250, 1250]);
    for (const text of ['', '0', '-1', '1x', 'm', '0.0001', '1e3'])
      expect(() => cpuMilli(text))
        .to.throw('--cpu')
        .with.property('exitCode', 64);
  });

  it('of memory is a number of bytes, with decimal or binary units', () => {
    expect(['1000', '1k', '2M', '1.5Gi', '512Mi'].map(memoryBytes)).to.deep.equal([
      1000,
      1000,
      2_000_000,
      1.5 * 1024 ** 3,
      512 * 1024 ** 2,
    ]);
    for (const text of ['', '0', '-1', '1m', '1mi', 'Gi', '1 Gi'])
      expect(() => memoryBytes(text))
        .to.throw('--memory')
        .with.property('exitCode', 64);
  });
});
