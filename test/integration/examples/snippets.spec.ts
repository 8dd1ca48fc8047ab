import { expect } from 'chai';

import { extractExamples, extractSnippets, type Snippet, SnippetProgram } from '../../support/snippets.ts';

/** What TSDoc examples and documents use without declaring it. */
const context = `
declare const worker: import('kubernetes-worker').KubernetesWorker;
declare const container: import('kubernetes-worker').Container;
declare const volume: import('kubernetes-worker').Volume;
declare const cluster: import('kubernetes-worker/embedded').EmbeddedCluster;
`;

/** The interfaces whose methods all have an example. */
const contracts = {
  'src/runtime/worker.ts': ['Worker', 'StepDelegate'],
  'src/runtime/container.ts': ['Container'],
  'src/runtime/process.ts': ['Process'],
  'src/runtime/volume.ts': ['Artifact', 'Volume'],
  'src/runtime/artifacts.ts': ['WorkerArtifacts'],
  'src/runtime/caches.ts': ['VolumeCaches', 'WorkerCaches'],
};

describe('the examples in the documentation', () => {
  const documented = extractExamples(['src', 'fakes']);
  const snippets: readonly Snippet[] = [...documented.snippets, ...extractSnippets(['README.md', 'docs'])];
  const wrong: Snippet = { title: 'wrong', code: 'await worker.noSuchMethod();' };
  let program: SnippetProgram;

  before('compiles all of them in one program', () => {
    program = new SnippetProgram([...snippets, wrong], context);
  });

  for (const snippet of snippets) {
    it(`compile: ${snippet.title}`, () => {
      expect(program.diagnose(snippet)).to.equal('');
    });
  }

  for (const [file, names] of Object.entries(contracts)) {
    for (const name of names) {
      it(`cover each method of ${name}`, () => {
        expect(documented.methodsWithout(file, name)).to.deep.equal([]);
      });
    }
  }

  it('cover KubernetesWorker.open', () => {
    expect(documented.snippets.map(({ title }) => title)).to.include('KubernetesWorker.open');
  });

  it('are found in the README', () => {
    expect(snippets.some(({ title }) => title.startsWith('README.md:'))).to.equal(true);
  });

  it('fail to compile for a name that does not exist', () => {
    expect(program.diagnose(wrong)).to.match(/^1: .*noSuchMethod/);
  });
});
