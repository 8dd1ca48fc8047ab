import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect } from 'chai';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'charts/kubernetes-worker/README.md',
  ...['docs', 'docs/adr'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((file) => file.endsWith('.md'))
      .map((file) => `${folder}/${file}`),
  ),
];

/** Returns the text without blocks and spans of code. */
function proseOf(document: string): string {
  const text = readFileSync(join(root, document), 'utf8');
  return text
    .replaceAll(/^( *)```[\s\S]*?^\1```/gm, '')
    .replaceAll(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]()]/g, ''));
}

/** Returns the anchors of a document, as GitHub makes them from headings, and those that it has itself. */
function anchorsOf(document: string): ReadonlySet<string> {
  const text = readFileSync(join(root, document), 'utf8').replaceAll(/^( *)```[\s\S]*?^\1```/gm, '');
  const anchors = new Set([...text.matchAll(/<a id="([^"]+)">/g)].map(([, id = '']) => id));
  const seen = new Map<string, number>();
  for (const [, heading = ''] of text.matchAll(/^#{1,6} (.+)$/gm)) {
    const words = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const slug = words.replaceAll(/[^\p{L}\p{N}_\- ]/gu, '').replaceAll(' ', '-');
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    anchors.add(count === 0 ? slug : `${slug}-${String(count)}`);
  }
  return anchors;
}

/** Returns the links of a document to files of the repository that lead nowhere. */
function brokenLinks(document: string): readonly string[] {
  const links = [...proseOf(document).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
  return links.filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? document : join(dirname(document), path);
    if (!existsSync(join(root, target))) return true;
    return anchor !== undefined && target.endsWith('.md') && !anchorsOf(target).has(anchor);
  });
}

describe('the links of the documents', () => {
  it('are many', () => {
    expect(documents).to.have.length.above(40);
    expect(proseOf('README.md').match(/\]\(docs\//g) ?? []).to.have.length.above(20);
  });

  for (const document of documents)
    it(`lead to files and sections that exist: ${document}`, () => {
      expect(brokenLinks(document)).to.deep.equal([]);
    });
});
