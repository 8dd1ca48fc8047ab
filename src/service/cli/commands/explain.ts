import { Command } from 'commander';

import { nearest } from '../../config/suggestion.ts';
import type { CliContext, DefineCommand, SetExitCode } from '../cli-context.ts';
import { UsageError } from '../cli-error.ts';
import { describedPod } from '../described-pod.ts';
import { codeOf } from '../error-reference.ts';
import { ExitCode } from '../exit-code.ts';
import { findContainer } from '../find-container.ts';
import { fieldsOf, print, printJson, tableOf } from '../output.ts';
import { printable } from '../printable.ts';
import { configurable, withWorker } from '../worker-command.ts';

interface ImageOptions {
  readonly resourceType?: string;
  readonly team?: string;
  readonly pipeline?: string;
  readonly step?: string;
  readonly json?: boolean;
}

/** `explain`: which image a step gets, what an error means, and what happens to a container's pod. */
export const explainCommand: DefineCommand = (context, setExitCode) =>
  new Command('explain')
    .description('Explain an image, an error or a container.')
    .addCommand(imageCommand(context, setExitCode))
    .addCommand(errorCommand(context))
    .addCommand(containerCommand(context));

function imageCommand(context: CliContext, setExitCode: SetExitCode): Command {
  return configurable(
    new Command('image')
      .description('Explain which image a step gets by the options of the worker, and whether it is permitted.')
      .argument('[image]', "The step's own image.")
      .option('--resource-type <type>', "The step's resource type.")
      .option('--team <name>', 'The team.')
      .option('--pipeline <name>', 'The pipeline.')
      .option('--step <name>', 'The name of the step.')
      .option('--json', 'Print JSON.')
      .action(async (image: string | undefined, options: ImageOptions, command: Command) => {
        const { resourceType, team, pipeline: pipelineName, step: stepName, json = false } = options;
        const metadata = { team, pipelineName, stepName };
        const explanation = await withWorker(command, context, (worker) =>
          worker.explainImage({ image, resourceType, metadata }),
        );
        const { refusal, warnings, chain } = explanation;
        if (refusal !== undefined || explanation.image === undefined) setExitCode(ExitCode.Failure);
        if (json) return await printJson(context, explanation);
        const facts = fieldsOf([
          ['Image', explanation.image ?? 'none'],
          ['Permitted', refusal === undefined ? 'yes' : `no: ${refusal}`],
          ['Rule', explanation.rule],
          ...warnings.map((warning) => ['Warning', warning] as const),
        ]);
        const rows = chain.map(({ source, rule = '', effect }) => [source, rule, effect]);
        await print(context.stdout, `${facts}\n${tableOf(['SOURCE', 'RULE', 'EFFECT'], rows)}`);
      }),
  );
}

function errorCommand(context: CliContext): Command {
  return new Command('error')
    .description('Explain an error of the library by its code. Needs neither a cluster nor a database.')
    .argument('[code]', 'The code, such as KW_ERR_POD_EVICTED. Without it, all codes are listed.')
    .option('--json', 'Print JSON.')
    .action(async (text: string | undefined, { json = false }: { readonly json?: boolean }) => {
      const { errorReferences } = await import('../errors.generated.ts');
      const { adviceFor } = await import('../advice.ts');
      if (text === undefined) {
        const rows = errorReferences.map(({ code, retryable, when }) => [code, retryable, when]);
        if (json) return await printJson(context, errorReferences);
        return await print(context.stdout, tableOf(['CODE', 'RETRYABLE', 'WHEN'], rows));
      }
      const code = codeOf(text);
      const reference = errorReferences.find((each) => each.code === code);
      if (reference === undefined) {
        const similar = nearest(
          code,
          errorReferences.map((each) => each.code),
        );
        throw new UsageError(
          `${printable(text)} is not the code of an error`,
          similar === undefined ? 'list the codes: kubernetes-worker explain error' : `did you mean ${similar}?`,
        );
      }
      const advice = adviceFor(code);
      if (json) return await printJson(context, { ...reference, advice });
      const { className, when, retryable, fields } = reference;
      const facts = fieldsOf([
        ['Code', code],
        ['Class', className],
        ['When', when],
        ['Retryable', retryable],
        ['Fields', fields.length === 0 ? undefined : fields.join(', ')],
        ['Advice', advice],
      ]);
      await print(context.stdout, facts);
    });
}

function containerCommand(context: CliContext): Command {
  return configurable(
    new Command('container')
      .description('Describe the pod of a container: its state, its Kubernetes containers and its events.')
      .argument('<handle>', 'The container.')
      .option('--json', 'Print JSON.')
      .action(async (handle: string, { json = false }: { readonly json?: boolean }, command: Command) => {
        const { signal } = context;
        const description = await withWorker(command, context, async (worker) => {
          const container = await findContainer(worker, handle, signal);
          return await container.describe({ signal });
        });
        if (json) await printJson(context, description);
        else await print(context.stdout, describedPod(description));
      }),
  );
}
