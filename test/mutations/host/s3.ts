import type { Mutant } from '../../../scripts/mutant.ts';

const pump = { specs: ['test/unit/stores/s3/multipart-pump.spec.ts'] };
const reads = { specs: ['test/unit/stores/s3/resumed-read.spec.ts'] };
const errors = { specs: ['test/unit/stores/s3/s3-errors.spec.ts'] };

/** Changes of `src/stores/s3` that a spec has to detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'an upload to S3 sends any number of parts at the same time',
    file: 'src/stores/s3/multipart-pump.ts',
    find: 'while (this.#underWay.size >= this.#options.concurrency) await Promise.race(this.#underWay);',
    replace: '',
    killedBy: pump,
  },
  {
    name: 'a failed upload to S3 is aborted while its parts are under way',
    file: 'src/stores/s3/multipart-pump.ts',
    find: '    await Promise.allSettled(this.#underWay);\n',
    replace: '',
    killedBy: pump,
  },
  {
    name: 'a failed upload to S3 stays',
    file: 'src/stores/s3/multipart-pump.ts',
    find: 'if (this.#uploadId !== undefined) await this.#abort(this.#uploadId);',
    replace: '',
    killedBy: pump,
  },
  {
    name: 'an upload to S3 keeps the buffers of its parts',
    file: 'src/stores/s3/multipart-pump.ts',
    find: '    } finally {\n      buffer.release();\n    }',
    replace: '    }',
    killedBy: pump,
  },
  {
    name: 'a read from S3 continues at the wrong byte',
    file: 'src/stores/s3/resumed-read.ts',
    find: 'offset: this.#at, etag, signal',
    replace: 'offset: 0, etag, signal',
    killedBy: reads,
  },
  {
    name: 'a read from S3 continues with another version of the object',
    file: 'src/stores/s3/resumed-read.ts',
    find: 'offset: this.#at, etag, signal',
    replace: 'offset: this.#at, signal',
    killedBy: reads,
  },
  {
    name: 'a body of S3 that was not read stays open',
    file: 'src/stores/s3/resumed-read.ts',
    find: "readable.once('close', () => first.body.destroy());",
    replace: '',
    killedBy: reads,
  },
  {
    name: 'a silent body of S3 is read for ever',
    file: 'src/stores/s3/resumed-read.ts',
    find: 'if (isAsked) body.destroy(',
    replace: 'if (!isAsked) body.destroy(',
    killedBy: reads,
  },
  {
    name: 'an error of S3 has what a provider of credentials has reported',
    file: 'src/stores/s3/s3-errors.ts',
    find: '`the provider of credentials has failed (${nameOf(error.cause)})`',
    replace: '`the provider of credentials has failed (${String(error.cause)})`',
    killedBy: errors,
  },
  {
    name: 'a throttled request of S3 is final',
    file: 'src/stores/s3/s3-errors.ts',
    find: "  'RequestTimeout',\n",
    replace: '',
    killedBy: errors,
  },
  {
    name: 'the page of a proxy is a missing archive',
    file: 'src/stores/s3/s3-errors.ts',
    find: 'if (missing.has(name) && facts.key !== undefined)',
    replace: 'if (status === 404 && facts.key !== undefined)',
    killedBy: errors,
  },
  {
    name: 'a write to S3 whose answer was lost is refused',
    file: 'src/stores/s3/sdk-uploads.ts',
    find: "new Set(['PreconditionFailed', 'NoSuchUpload'])",
    replace: "new Set(['PreconditionFailed'])",
    killedBy: { specs: ['test/unit/stores/s3/s3-store.spec.ts'] },
  },
  {
    name: 'a write to S3 that another write has preceded succeeds',
    file: 'src/stores/s3/sdk-uploads.ts',
    find: '(await this.#options.objects.writeIdOf(key, options)) === writeId',
    replace: '(await this.#options.objects.writeIdOf(key, options)) !== undefined',
    killedBy: { specs: ['test/unit/stores/s3/s3-store.spec.ts'] },
  },
  {
    name: 'the deletion of an archive in S3 aborts the uploads of other archives',
    file: 'src/stores/s3/s3-store.ts',
    find: 'if (upload.key !== key) continue;',
    replace: '',
    killedBy: { specs: ['test/unit/stores/s3/s3-store.spec.ts'] },
  },
];
