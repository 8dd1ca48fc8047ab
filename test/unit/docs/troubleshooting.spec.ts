import { expect } from 'chai';

import { codes } from '../errors/error-samples.ts';
import { isProved, referencesOf, textOf } from './references.ts';

const document = 'docs/troubleshooting.md';

interface FailureMode {
  readonly title: string;
  readonly rows: ReadonlyMap<string, string>;
}

/** Returns the sections with a number, and the rows of their tables. */
function failureModes(): readonly FailureMode[] {
  const [, ...sections] = textOf(document)
    .split('\n## Error codes')[0]!
    .split(/^### (?=\d+\. )/m);
  return sections.map((section) => ({
    title: section.split('\n')[0]!,
    rows: new Map([...section.matchAll(/^\| (\w+) \| (.+) \|$/gm)].map(([, name = '', text = '']) => [name, text])),
  }));
}

/** The series of `docs/metrics.md`, without their units and suffixes. */
function documentedSeries(): readonly string[] {
  const names = [...textOf('docs/metrics.md').matchAll(/^\| `([\w.]+)` \|/gm)].map(([, name = '']) => name);
  return names.map((name) => name.replaceAll('.', '_'));
}

describe(document, () => {
  const modes = failureModes();

  it('has at least ten failure modes, each with symptom, metric, alert, command, fix and test', () => {
    expect(modes).to.have.length.of.at.least(10);
    for (const { title, rows } of modes)
      expect([...rows.keys()], title).to.deep.equal(['symptom', 'metric', 'alert', 'command', 'fix', 'test']);
  });

  it('lists each failure mode by its symptom', () => {
    const text = textOf(document);
    for (const [index, { title }] of modes.entries()) {
      const anchor = title
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, '')
        .replaceAll(' ', '-');
      expect(text).to.contain(`| [${String(index + 1)}](#${anchor}) |`);
    }
  });

  it('names tests that exist, for each failure mode', () => {
    for (const { title, rows } of modes) {
      const references = referencesOf(rows.get('test') ?? '');
      expect(references, title).not.to.deep.equal([]);
      expect(
        references.filter((reference) => !isProved(reference)),
        title,
      ).to.deep.equal([]);
    }
  });

  it('names series that the service has', () => {
    const series = documentedSeries();
    const named = modes.flatMap(({ rows }) => rows.get('metric')?.match(/\b(?:kubernetes_worker|process)_\w+/g) ?? []);
    expect(named).to.have.length.above(10);
    const unknown = named.filter((name) => !series.some((known) => name.startsWith(known)));
    expect(unknown).to.deep.equal([]);
  });

  it('names alerts that the chart has', () => {
    const rules = textOf('charts/kubernetes-worker/files/alerts.yaml');
    const alerts = [...rules.matchAll(/^ +- alert: (\w+)$/gm)].map(([, name = '']) => name);
    const named = modes.flatMap(({ rows }) => rows.get('alert')?.match(/\bKubernetesWorker\w+/g) ?? []);
    const runbooks = textOf('docs/monitoring.md');
    expect(named).to.have.length.above(15);
    expect(named.filter((name) => !alerts.includes(name))).to.deep.equal([]);
    expect(named.filter((name) => !runbooks.includes(`### ${name}\n`))).to.deep.equal([]);
  });

  it('has an explanation of every error code', () => {
    const rows = [...textOf(document).matchAll(/^\| <a id="([a-z-]+)"><\/a>`(\w+)` \| .+ \|$/gm)];
    for (const [, anchor, code = ''] of rows) expect(anchor).to.equal(code.toLowerCase().replaceAll('_', '-'));
    expect(rows.map(([, , code]) => `KW_ERR_${code}`).toSorted()).to.deep.equal([...codes].sort());
  });

  it('links only to sections that it has', () => {
    const text = textOf(document);
    const anchors = modes.map(({ title }) =>
      title
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    );
    const links = [...text.matchAll(/\]\(#(\d[\w-]*)\)/g)].map(([, anchor = '']) => anchor);
    expect(links.filter((link) => !anchors.includes(link))).to.deep.equal([]);
  });
});
