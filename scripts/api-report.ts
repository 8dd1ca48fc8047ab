// Compares the public API of each entry with its report in docs/api-report. With `--local`, writes
// the reports.

import { existsSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor';

const root = fileURLToPath(new URL('..', import.meta.url));
const localBuild = process.argv.includes('--local');

const entries = [
  { name: 'kubernetes-worker', types: 'dist/src/index.d.ts' },
  { name: 'fakes', types: 'dist/fakes/index.d.ts' },
  { name: 'embedded', types: 'dist/src/embedded/index.d.ts' },
];

function report({ name, types }: (typeof entries)[number]): boolean {
  const mainEntryPointFilePath = root + types;
  if (!existsSync(mainEntryPointFilePath)) {
    console.error(`${types} is missing: run npm run build`);
    return false;
  }
  const config = ExtractorConfig.prepare({
    packageJsonFullPath: `${root}package.json`,
    configObjectFullPath: undefined,
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath,
      compiler: { tsconfigFilePath: `${root}tsconfig.json` },
      apiReport: {
        enabled: true,
        reportFileName: `${name}.api.md`,
        reportFolder: `${root}docs/api-report`,
        reportTempFolder: `${root}dist/api-report`,
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      newlineKind: 'lf',
      messages: {
        compilerMessageReporting: { default: { logLevel: ExtractorLogLevel.Warning } },
        extractorMessageReporting: {
          default: { logLevel: ExtractorLogLevel.Warning, addToApiReportFile: true },
          'ae-unresolved-link': { logLevel: ExtractorLogLevel.None },
          // The main entry exports what fakes and the embedded cluster share with it.
          ...(name === 'kubernetes-worker' ? {} : { 'ae-forgotten-export': { logLevel: ExtractorLogLevel.None } }),
        },
        // The names of errors follow `@throws` as plain words.
        tsdocMessageReporting: { default: { logLevel: ExtractorLogLevel.None } },
      },
    },
  });
  const result = Extractor.invoke(config, { localBuild, messageCallback: suppressNotices });
  return result.succeeded;
}

/** Suppresses the notice about the compiler, which is newer than the bundled one and works. */
function suppressNotices(message: { messageId: string; logLevel: ExtractorLogLevel; handled: boolean }): void {
  if (message.messageId === 'console-compiler-version-notice' || message.messageId === 'console-preamble')
    message.handled = true;
}

mkdirSync(`${root}docs/api-report`, { recursive: true });
const failed = entries.filter((entry) => !report(entry)).map(({ name }) => name);
if (failed.length > 0) {
  console.error(
    `the public API differs from docs/api-report: ${failed.join(', ')}; look at the change, then run npm run api-report`,
  );
  process.exitCode = 1;
}
