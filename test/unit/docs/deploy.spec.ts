import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';

import { expect } from 'chai';

import { executedBlocks, exportedVariables } from '../../support/documents/executed-blocks.ts';

const root = new URL('../../../', import.meta.url);
const document = 'docs/deploy.md';

describe(document, () => {
  const guide = readFileSync(new URL(document, root), 'utf8');
  const blocks = executedBlocks(guide);

  it('marks each block of its steps as executed, but for the values of the reader', () => {
    const steps = guide
      .split(/^## (?=\d+\. )/m)
      .slice(1)
      .map((step) => step.split(/^## /m)[0]!);
    expect(steps).to.have.length(8);
    for (const [index, step] of steps.entries()) {
      const marked = executedBlocks(step);
      const all = step.match(/^```sh$/gm) ?? [];
      expect(marked, step.split('\n')[0]).to.have.length(index === 0 ? 0 : all.length);
    }
    expect(blocks).to.have.length(steps.flatMap((step) => executedBlocks(step)).length);
  });

  it('has blocks that bash can read', async () => {
    const script = blocks.map(({ script: text }) => text).join('\n');
    await promisify(execFile)('bash', ['-n', '-c', script]);
  });

  it('uses each variable that the reader sets', () => {
    const variables = exportedVariables(guide);
    expect(variables).to.have.length.above(5);
    const script = blocks.map(({ script: text }) => text).join('\n');
    expect(variables.filter((name) => !new RegExp(`\\$${name}\\b`).test(script))).to.deep.equal([]);
  });

  it('has the profiles of the chart', () => {
    const files = readdirSync(new URL('charts/kubernetes-worker/ci/', root));
    const profiles = [...guide.matchAll(/^\| `([a-z-]+)` \| /gm)].map(([, name = '']) => `${name}-values.yaml`);
    expect(profiles).to.have.members(files);
  });

  it('states that its appendix about GKE was not run', () => {
    expect(guide.split('## Appendix: GKE')[1]).to.match(/^\n\n\*\*Nothing in this appendix has been run\.\*\*/);
    expect(executedBlocks(guide.split('## Appendix: GKE')[1]!)).to.deep.equal([]);
  });
});
