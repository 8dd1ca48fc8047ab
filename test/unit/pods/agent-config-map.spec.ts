import { createHash } from 'node:crypto';

import { expect } from 'chai';
import { ConflictError } from '../../../src/errors/cluster.ts';
import { readAgentBinary } from '../../../src/pods/agent-binary.ts';
import { agentConfigMap, configMapOf, verifyAgentConfigMap } from '../../../src/pods/agent-config-map.ts';

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
      expect((await agentConfigMap(architecture)).binaryData.agent.length).to.be.below(1_000_000);
    });
  }
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
