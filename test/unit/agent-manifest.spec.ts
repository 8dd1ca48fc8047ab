import { expect } from 'chai';

import { agentConfigMap } from '../../src/agent-manifest.ts';
import { readAgentConfigMap, verifyAgentConfigMap } from '../../src/pods/agent-config-map.ts';
import { rejection } from '../support/rejection.ts';

describe('agentConfigMap', () => {
  it('returns the config map that a worker expects, for its architecture', async () => {
    for (const architecture of ['amd64', 'arm64'] as const) {
      const expected = await readAgentConfigMap(architecture);
      const configMap = await agentConfigMap({ architecture });
      expect(configMap.metadata?.name).to.equal(expected.metadata.name);
      verifyAgentConfigMap(configMap, expected);
    }
  });

  it('returns a whole object, which serializes, for a namespace and without one', async () => {
    const { metadata, ...rest } = JSON.parse(JSON.stringify(await agentConfigMap({ namespace: 'ci' })));
    expect(rest).to.include({ apiVersion: 'v1', kind: 'ConfigMap', immutable: true });
    expect(metadata.namespace).to.equal('ci');
    expect((await agentConfigMap()).metadata).to.not.have.property('namespace');
  });

  it('names the field of an invalid option', async () => {
    for (const [field, options] of [
      ['architecture', { architecture: 's390x' }],
      ['namspace', { namspace: 'ci' }],
      ['agentBinary', { agentBinary: '/nowhere/agent' }],
    ] as const)
      expect(await rejection(agentConfigMap(options as object)), field).to.include({
        code: 'KW_ERR_INVALID_SPEC',
        field,
      });
  });
});
