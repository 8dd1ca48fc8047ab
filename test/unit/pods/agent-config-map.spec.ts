import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';

import { expect } from 'chai';

import { InvalidSpecError } from '../../../src/errors/caller.ts';
import { ConflictError } from '../../../src/errors/cluster.ts';
import { checkAgentBinary, readAgentBinary } from '../../../src/pods/agent-binary.ts';
import { configMapOf, readAgentConfigMap, verifyAgentConfigMap } from '../../../src/pods/agent-config-map.ts';
import { rejection } from '../../support/rejection.ts';

describe("the agent's binary", () => {
  for (const [architecture, machine] of [
    ['amd64', 62],
    ['arm64', 183],
  ] as const) {
    it(`exists for ${architecture}, and fits into a config map`, async () => {
      const binary = await readAgentBinary(architecture);
      expect(binary.bytes.subarray(0, 4).toString('latin1')).to.equal('\x7fELF');
      expect(binary.bytes.readUInt16LE(18)).to.equal(machine);
      expect(binary.sha256).to.equal(createHash('sha256').update(binary.bytes).digest('hex'));
      expect((await readAgentConfigMap(architecture)).binaryData.agent.length).to.be.below(1_000_000);
    });
  }
});

describe("the place of the agent's binary in a host", () => {
  const ofPackage = fileURLToPath(new URL('../../../agent/bin/linux-x64/agent', import.meta.url));
  const missing = '/nowhere/agent';
  const noProgram = fileURLToPath(import.meta.url);

  async function problem(check: Promise<unknown>): Promise<string> {
    const error = await rejection(check);
    expect(error).to.be.instanceOf(InvalidSpecError).and.include({ field: 'agentBinary' });
    return error.message;
  }

  it('is a path, or a function of the architecture', async () => {
    const { binaryData } = await readAgentConfigMap('amd64');
    for (const path of [ofPackage, () => ofPackage])
      expect((await readAgentConfigMap('amd64', path)).binaryData).to.deep.equal(binaryData);
    const asked: string[] = [];
    await readAgentBinary('amd64', (architecture) => {
      asked.push(architecture);
      return ofPackage;
    });
    expect(asked).to.deep.equal(['amd64']);
  });

  it('is rejected if there is no file', async () => {
    for (const path of [missing, () => missing])
      expect(await problem(readAgentBinary('amd64', path))).to.contain(missing);
  });

  it('is rejected if the file is not a program for the architecture', async () => {
    expect(await problem(readAgentBinary('arm64', ofPackage))).to.contain('not a Linux program for arm64');
    expect(await problem(readAgentBinary('amd64', noProgram))).to.contain('not a Linux program for amd64');
  });

  it('is rejected if the function returns no path', async () => {
    expect(await problem(readAgentBinary('amd64', () => undefined as never))).to.contain('no path for amd64');
  });

  it('is checked for the architecture of the worker, before the worker opens', async () => {
    await checkAgentBinary(() => ofPackage, 'amd64');
    expect(await problem(checkAgentBinary(() => ofPackage, 'arm64'))).to.contain('arm64');
  });

  it('is checked for any architecture if the worker has none', async () => {
    await checkAgentBinary(ofPackage, undefined);
    expect(await problem(checkAgentBinary(noProgram, undefined))).to.contain('amd64 or arm64');
    await checkAgentBinary(() => missing, undefined);
  });
});

describe("the agent's config map", () => {
  const bytes = Buffer.from('program');
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const expected = configMapOf({ architecture: 'arm64', bytes, sha256 });

  it('is named after its content, and is immutable', () => {
    expect(expected.metadata.name).to.equal(`kubernetes-worker-agent-arm64-${sha256.slice(0, 12)}`);
    expect(expected).to.deep.include({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      immutable: true,
      binaryData: { agent: bytes.toString('base64') },
    });
    expect(configMapOf({ architecture: 'arm64', bytes, sha256 })).to.deep.equal(expected);
  });

  it('is accepted if it is the expected one', () => {
    verifyAgentConfigMap({ ...expected, metadata: { ...expected.metadata, namespace: 'ns' } }, expected);
  });

  for (const [what, found] of [
    ['is missing', undefined],
    [
      "differs from this library's agent",
      { ...expected, binaryData: { agent: Buffer.from('other').toString('base64') } },
    ],
    ['has no content', { metadata: { name: 'a' }, immutable: true }],
    ['is not immutable', { ...expected, immutable: false }],
  ] as const) {
    it(`is rejected with its name if it ${what}`, () => {
      expect(() => verifyAgentConfigMap(found, expected)).to.throw(ConflictError, expected.metadata.name);
    });
  }
});
