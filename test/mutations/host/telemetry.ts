import type { Mutant } from '../../../scripts/mutant.ts';

const tracing = { specs: ['test/unit/telemetry/open-telemetry-tracing.spec.ts'] };
const phases = { specs: ['test/unit/pods/start-phases.spec.ts'] };
const traces = { specs: ['test/integration/worker/traces.spec.ts'] };
const log = { specs: ['test/unit/service/telemetry/logger.spec.ts'] };
const spans = 'src/telemetry/open-telemetry-tracing.ts';

/** Changes of `src/telemetry` and `src/service/telemetry`, and of their use, that a spec has to detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'a span of work that fails does not end',
    file: spans,
    find: 'span.fail(error, options);\n      throw error;',
    replace: 'throw error;',
    killedBy: tracing,
  },
  {
    name: 'the status of a span has the message of the error',
    file: spans,
    find: 'message: errorType }',
    replace: 'message: String(error) }',
    killedBy: tracing,
  },
  {
    name: 'a loop has the span of the call that started it',
    file: spans,
    find: 'return context.with(ROOT_CONTEXT, work);',
    replace: 'return work();',
    killedBy: tracing,
  },
  {
    name: 'a phase of a start continues when the next one begins',
    file: 'src/pods/start-phases.ts',
    find: 'this.#current.end();\n    this.#current = ',
    replace: 'this.#current = ',
    killedBy: phases,
  },
  {
    name: 'the trace replaces the variable of a specification',
    file: 'src/worker/pod-container.ts',
    find: 'mergeEnvironment(span.environment(), checked.env)',
    replace: 'mergeEnvironment(checked.env, span.environment())',
    killedBy: traces,
  },
  {
    name: 'a command has the trace although no host asked for it',
    file: 'src/worker/pod-container.ts',
    find: 'if (!this.#components.traceEnvironment) return checked;',
    replace: '',
    killedBy: traces,
  },
  {
    name: 'the span of a process does not end when the host detaches',
    file: 'src/worker/process/pod-process.ts',
    find: 'span.fail(error, { signal });\n      throw error;',
    replace: 'throw error;',
    killedBy: traces,
  },
  {
    name: 'the log replaces a short secret first',
    file: 'src/service/telemetry/redaction.ts',
    find: 'b.length - a.length',
    replace: 'a.length - b.length',
    killedBy: log,
  },
];
