import { readFile } from 'node:fs/promises';

import { expect } from 'chai';

import { generatedAlerts } from '../../support/monitoring/generated.ts';
import { parseExpression } from '../../support/monitoring/promql.ts';

const page = async (name: string): Promise<string> =>
  await readFile(new URL(`../../../docs/${name}`, import.meta.url), 'utf8');

describe('the alerts of the chart', () => {
  const alerts = generatedAlerts();
  const namesOf = (chosen: typeof alerts): readonly string[] => chosen.map(({ alert }) => alert);

  it('have names that begin alike and occur once', () => {
    expect(namesOf(alerts.filter(({ alert }) => !/^KubernetesWorker[A-Z][A-Za-z]+$/.test(alert)))).to.deep.equal([]);
    expect(new Set(namesOf(alerts)).size).to.equal(alerts.length);
  });

  it('have one of three severities and no other label', () => {
    const known = ['critical', 'warning', 'info'];
    expect(namesOf(alerts.filter(({ labels }) => !known.includes(labels['severity'] ?? '')))).to.deep.equal([]);
    for (const { labels } of alerts) expect(Object.keys(labels)).to.deep.equal(['severity']);
  });

  it('have a summary of one line and a description, and leave the runbook to the chart', () => {
    for (const { alert, annotations } of alerts) {
      expect(Object.keys(annotations), alert).to.deep.equal(['summary', 'description']);
      expect(annotations['summary'], alert).to.match(/^\S[^\n]{10,100}[^.\n]$/);
      expect(annotations['description'], alert).to.match(/^\S[^\n]{20,200}\.$/);
    }
  });

  it('use labels in their texts only that their expressions keep', () => {
    for (const { alert, expr, annotations } of alerts) {
      const used = [
        ...Object.values(annotations)
          .join()
          .matchAll(/\$labels\.(\w+)/g),
      ].map(([, label = '']) => label);
      const { groupings } = parseExpression(expr);
      const kept = new Set([...groupings, 'instance', 'job', 'namespace']);
      expect(
        used.filter((label) => !kept.has(label)),
        alert,
      ).to.deep.equal([]);
    }
  });

  it('are evaluated for each worker separately: no aggregation merges namespaces or jobs', () => {
    const merges = alerts.filter(({ expr }) => /\b(sum|max|min|group|count|avg) (?!by \(namespace, job)/.test(expr));
    expect(namesOf(merges)).to.deep.equal([]);
    const bare = alerts.filter(({ expr }) => /\b(sum|max|min|avg|count)\(/.test(expr));
    expect(namesOf(bare)).to.deep.equal([]);
  });

  it('have a section of the runbook each, with symptom, causes and what to do', async () => {
    const text = await page('monitoring.md');
    const sections = new Map(
      text
        .split(/^### /m)
        .slice(1)
        .map((section) => [section.slice(0, section.indexOf('\n')).trim(), section] as const),
    );
    for (const { alert, labels } of alerts) {
      const section = sections.get(alert) ?? '';
      expect(section, `docs/monitoring.md has the section ${alert}`).to.not.equal('');
      for (const part of ['Symptom', 'Causes', 'Look', 'Fix']) expect(section, alert).to.contain(`- **${part}**: `);
      expect(section, alert).to.contain(`Severity: ${labels['severity']}.`);
    }
  });

  it('have no section for an alert that does not exist', async () => {
    const sections = [...(await page('monitoring.md')).matchAll(/^### (KubernetesWorker\w+)$/gm)].map(
      ([, name]) => name,
    );
    expect(sections).to.deep.equal(namesOf(alerts));
  });
});
