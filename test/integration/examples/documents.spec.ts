import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const topFolders = ['agent', 'docs', 'examples', 'fakes', 'scripts', 'src', 'test'];

/** Returns the paths of the repository that a document names in code spans. */
function pathsIn(document: string): readonly string[] {
  const spans = readFileSync(root + document, 'utf8').matchAll(/`([a-z-]+\/[\w./-]*)`/g);
  const paths = [...spans].map(([, path = '']) => path);
  return paths.filter((path) => topFolders.includes(path.split('/')[0] ?? ''));
}

describe('the documents for contributors', () => {
  for (const document of ['docs/architecture.md', 'docs/recipes.md']) {
    it(`${document} names only paths that exist`, () => {
      const paths = pathsIn(document);
      expect(paths).to.have.length.above(10);
      expect(paths.filter((path) => !existsSync(root + path))).to.deep.equal([]);
    });
  }
});
