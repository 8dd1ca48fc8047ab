/** A block of a document that a test runs, and the heading of its section. */
export interface ExecutedBlock {
  readonly section: string;
  readonly script: string;
}

/** Returns the blocks of shell that follow the comment `executed`, in their order. */
export function executedBlocks(markdown: string): readonly ExecutedBlock[] {
  const parts = markdown.matchAll(/^#+ (?<heading>.+)$|^<!-- executed -->\n\n```sh\n(?<script>[\s\S]*?)^```$/gm);
  let section = '';
  const blocks: ExecutedBlock[] = [];
  for (const { groups } of parts) {
    if (groups?.['heading'] !== undefined) section = groups['heading'];
    else blocks.push({ section, script: groups?.['script'] ?? '' });
  }
  return blocks;
}

/** Returns the variables that the blocks of a section export for the reader to replace. */
export function exportedVariables(markdown: string): readonly string[] {
  const exports = markdown.matchAll(/^export (.+?)(?:\s+#.*)?$/gm);
  return [...exports].flatMap(([, list = '']) => [...list.matchAll(/\b([A-Z_]+)=/g)].map(([, name = '']) => name));
}
